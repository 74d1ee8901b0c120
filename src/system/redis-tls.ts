import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { RedisTls } from "../config/redis-url-tls.ts";
import { messageOf } from "../errors.ts";

/** What Node's TLS needs to know. Throws, naming the parameter and the file, when a file cannot be read. */
export function tlsOptionsOf({ caFile, certFile, keyFile }: RedisTls): ConnectionOptions {
  return {
    ...(caFile !== undefined && { ca: pem("ssl_ca_certs", caFile) }),
    ...(certFile !== undefined && { cert: pem("ssl_certfile", certFile) }),
    ...(keyFile !== undefined && { key: pem("ssl_keyfile", keyFile) }),
  };
}

function pem(parameter: string, path: string): string {
  const text = readText(parameter, path);
  if (text.includes("-----BEGIN ")) return text;
  throw new Error(`${parameter} expects a file in PEM form, and ${path} is none`);
}

function readText(parameter: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`${parameter} expects a file that can be read: ${messageOf(cause)}`, { cause });
  }
}

/** What OpenSSL says, and what an operator can do about it. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /unable to (verify the first|get (local )?issuer) certificate|self[- ]signed certificate/i,
    "its certificate is signed by a CA that is not known here: name the CA's file with ?ssl_ca_certs=/path/ca.pem",
  ],
  [
    /certificate has expired|not yet valid/i,
    "renew the server's certificate, or mend the clock of this host",
  ],
  [
    /does not match certificate's altnames/i,
    "use a name or an address that the server's certificate is made out for",
  ],
  [
    /wrong version number|packet length too long|ERR_SSL_/i,
    "it seems to speak no TLS: try redis instead of rediss",
  ],
  [
    /alert (number 116|certificate required|handshake failure)|handshake failure/i,
    "it asks for a certificate of ours: name it with ?ssl_certfile=/path/cert.pem&ssl_keyfile=/path/key.pem",
  ],
  [/alert unknown ca/i, "it does not know the CA that signed ssl_certfile"],
];

/** The reason of a connection that failed, with what to do next where TLS is the cause. */
export function withRemedy(reason: string): string {
  const [, remedy] = REMEDIES.find(([cause]) => cause.test(reason)) ?? [];
  return remedy === undefined ? reason : `${reason} (${remedy})`;
}
