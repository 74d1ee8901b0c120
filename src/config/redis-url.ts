import { type RedisTls, tlsOf } from "./redis-url-tls.ts";
import { UrlFault, UrlParameters } from "./url-parameters.ts";

/*
 * A Redis is named by one URL, whatever it is made of:
 *   redis://[user:password@]host:6379/0                 one server
 *   redis+unix://[user:password@]/path.sock?db=0        one server, by its socket
 *   redis+sentinel://[user:password@]h1:26379,h2:26379/master-name/0
 *   redis+cluster://[user:password@]h1:7000,h2:7000     database 0 only
 * With `rediss` instead of `redis` all of it goes through TLS, but for the socket. The parameters of TLS have the
 * names that redis-py and Celery give them, so that their URLs can be pasted.
 */

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface RedisCredentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

interface OfAny {
  readonly db: number;
  readonly credentials: RedisCredentials;
  readonly tls: RedisTls | undefined;
}

/** What a Redis URL says. */
export type RedisAddress =
  | (OfAny & { readonly kind: "single"; readonly node: RedisNode })
  | (OfAny & { readonly kind: "socket"; readonly path: string })
  | (OfAny & {
      readonly kind: "sentinel";
      /** The sentinels. */
      readonly nodes: readonly RedisNode[];
      readonly master: string;
      /** What the sentinels themselves ask for; `credentials` are for the servers they watch. */
      readonly sentinelCredentials: RedisCredentials;
    })
  | (OfAny & { readonly kind: "cluster"; readonly nodes: readonly RedisNode[] });

/** What is wrong with a text as the URL of a Redis, in words without a password; `undefined`: nothing. */
export function redisUrlFault(text: string): string | undefined {
  try {
    parseRedisUrl(text);
    return undefined;
  } catch (error) {
    if (error instanceof UrlFault) return error.message;
    throw error;
  }
}

/** The database a Redis URL names; 0 when it names none. */
export function databaseOf(url: string): number {
  return parseRedisUrl(url).db;
}

interface Parts extends Omit<OfAny, "db"> {
  readonly authority: string;
  /** Between the slashes behind the hosts. */
  readonly steps: readonly string[];
  readonly parameters: UrlParameters;
}

const parsers: ReadonlyMap<string, (parts: Parts) => RedisAddress> = new Map([
  ["redis", single],
  ["rediss", single],
  ["redis+unix", socket],
  ["redis+sentinel", sentinel],
  ["rediss+sentinel", sentinel],
  ["redis+cluster", cluster],
  ["rediss+cluster", cluster],
]);
const SHAPE = /^([a-z+]+):\/\/(?:([^/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;

/**
 * Throws for a text that is none. A URL without a host is none: `redis://$HOST/0` with an empty variable must not
 * mean this machine. Nor is one with other parameters: they would be ignored, a password among them.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [, scheme = "", userInfo = "", authority = "", path = "", query = ""] = SHAPE.exec(text) ?? [];
  const parser = parsers.get(scheme.toLowerCase());
  if (parser === undefined) {
    throw new UrlFault(`expected a URL that begins with one of ${[...parsers.keys()].join("://, ")}://`);
  }
  const [, user = "", password = ""] = /^([^:]*):?(.*)$/s.exec(userInfo) ?? [];
  const parameters = new UrlParameters(query);
  const address = parser({
    authority,
    steps: path.split("/").slice(1),
    parameters,
    credentials: { username: decoded(user), password: decoded(password) },
    tls: /^rediss/i.test(scheme) ? tlsOf(parameters) : undefined,
  });
  parameters.refuseOthers();
  return address;
}

function single({ authority, steps, credentials, tls }: Parts): RedisAddress {
  const [node, ...others] = nodesOf(authority, 6379);
  if (node === undefined || others.length > 0) {
    throw new UrlFault("one host is expected: several are a redis+sentinel:// or a redis+cluster://");
  }
  const [database = "", ...rest] = steps;
  refuseSteps(rest);
  return { kind: "single", node, db: databaseIn(database), credentials, tls };
}

function socket({ authority, steps, parameters, credentials, tls }: Parts): RedisAddress {
  const path = decoded(`/${steps.join("/")}`) ?? "";
  if (authority !== "" || path.length < 2) {
    throw new UrlFault("three slashes and the path of the socket are expected: redis+unix:///run/redis.sock");
  }
  return { kind: "socket", path, db: databaseIn(parameters.take("db") ?? ""), credentials, tls };
}

/** The sentinels' own password is a parameter: most have none, and it is seldom that of the servers. */
function sentinel({ authority, steps, parameters, credentials, tls }: Parts): RedisAddress {
  const [name = "", database = "", ...rest] = steps;
  const master = decoded(name);
  if (master === undefined)
    throw new UrlFault("the master's name is expected: redis+sentinel://host:26379/name/0");
  refuseSteps(rest);
  const sentinelCredentials = {
    username: parameters.take("sentinel_username"),
    password: parameters.take("sentinel_password"),
  };
  const nodes = nodesOf(authority, 26_379);
  return { kind: "sentinel", nodes, master, db: databaseIn(database), credentials, sentinelCredentials, tls };
}

function cluster({ authority, steps, credentials, tls }: Parts): RedisAddress {
  const [database = "", ...rest] = steps;
  refuseSteps(rest);
  if (databaseIn(database) !== 0) throw new UrlFault("a Cluster has no other database than 0");
  return { kind: "cluster", nodes: nodesOf(authority, 6379), db: 0, credentials, tls };
}

const NODE = /^(?:\[([0-9a-f:.%]+)\]|([^\s:[\]@,%]+))(?::(\d{1,5}))?$/i;

function nodesOf(authority: string, usualPort: number): RedisNode[] {
  return authority.split(",").map((text) => {
    const [, v6, name, digits] = NODE.exec(text) ?? [];
    const host = v6 ?? name;
    const port = Number(digits ?? usualPort);
    if (host === undefined || port < 1 || port > 65_535) {
      throw new UrlFault(
        'a host such as "redis.example.org:6379" is expected, and "%40" for an "@" in a password',
      );
    }
    return { host, port };
  });
}

function databaseIn(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new UrlFault("the number of a database is expected, such as 0");
  return Number(text);
}

function refuseSteps(steps: readonly string[]): void {
  if (steps.length > 0) throw new UrlFault("nothing is expected behind the number of the database");
}

/** A `%` in a password must be written `%25`. Empty is as good as absent. */
function decoded(text: string): string | undefined {
  try {
    return text === "" ? undefined : decodeURIComponent(text);
  } catch {
    throw new UrlFault('"%25" is expected for a "%" in a name or password');
  }
}
