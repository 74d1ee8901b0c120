import type { RedisAddress } from "../config/redis-url.ts";

type Remedy = readonly [cause: RegExp, whatToDo: string];

/** What a server, a sentinel or OpenSSL says, and what an operator can do about it. */
const REMEDIES: readonly Remedy[] = [
  [
    /unable to (verify the first|get (local )?issuer) certificate|self[- ]signed certificate/i,
    "its certificate is signed by a CA that is not known here: name the CA's file with ?ssl_ca_certs=/path/ca.pem",
  ],
  [/certificate has expired|not yet valid/i, "renew the server's certificate, or set the clock of this host"],
  [
    /does not match certificate's altnames/i,
    "use a name or address that the server's certificate is made out for",
  ],
  [/NOAUTH|WRONGPASS/, "check the user and password in the URL"],
  [/No such master with that name/, "check the name of the master in the URL"],
  [/cluster support disabled/, "it is no Cluster: write redis instead of redis+cluster"],
];

/** A server that expects something else than we say does not say so: it hangs up, or waits. */
const WITH_TLS: readonly Remedy[] = [
  [
    /ECONNRESET|EPIPE|alert|is closed|ended the connection/i,
    "if it asks for a certificate, name one with ?ssl_certfile=/path/cert.pem&ssl_keyfile=/path/key.pem",
  ],
  [/timed? ?out|does not answer|wrong version number/i, "if it speaks no TLS, write redis instead of rediss"],
];
const WITHOUT_TLS: readonly Remedy[] = [
  [/ECONNRESET|EPIPE|is closed|ended the connection/i, "if it expects TLS, write rediss instead of redis"],
];

/** The reason why a connection failed, with what to do next where that is known. */
export function withRemedy(reason: string, { tls, kind }: RedisAddress): string {
  const remedies =
    kind === "socket" ? REMEDIES : [...REMEDIES, ...(tls === undefined ? WITHOUT_TLS : WITH_TLS)];
  const [, whatToDo] = remedies.find(([cause]) => cause.test(reason)) ?? [];
  return whatToDo === undefined ? reason : `${reason} (${whatToDo})`;
}
