const SOCKET = /^redis\+unix:\/\/\//i;
const DATABASE = /^\d{1,5}$/;

/**
 * Whether a text is the URL of a Redis: `redis://host:port/db`, `rediss://…` or `redis+unix:///socket?db=0`.
 * A URL without a host is none: `redis://$HOST/0` with an empty variable must not mean this machine. Nor is
 * one with other parameters: they would be ignored, a password among them.
 */
export function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const isSocket = SOCKET.test(text) && url.pathname.length > 1;
  const isNetwork = ["redis:", "rediss:"].includes(url.protocol) && url.hostname !== "";
  const parameters = [...url.searchParams.keys()].filter((key) => !(isSocket && key === "db"));
  if (!(isSocket || isNetwork) || parameters.length > 0 || url.hash !== "") return false;
  const database = databaseText(url);
  return (
    (database === undefined || DATABASE.test(database)) &&
    isDecodable(url.username + url.password + url.pathname)
  );
}

/** The database a valid Redis URL names; 0 when it names none. */
export function databaseOf(url: string): number {
  return Number(databaseText(new URL(url)) ?? 0);
}

function databaseText(url: URL): string | undefined {
  if (url.protocol === "redis+unix:") return url.searchParams.get("db") ?? undefined;
  return url.pathname.length > 1 ? url.pathname.slice(1) : undefined;
}

/** A `%` in a password must be written `%25`. */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
