import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRedisUrl, redisUrlFault } from "../../src/config/redis-url.ts";

const nobody = { username: undefined, password: undefined };
const ada = { username: "ada", password: "p@s/s" };

test.each([
  [
    "redis://h",
    { kind: "single", node: { host: "h", port: 6379 }, db: 0, credentials: nobody, tls: undefined },
  ],
  ["redis://h/", { kind: "single", db: 0 }],
  ["redis://h:1/15", { kind: "single", node: { host: "h", port: 1 }, db: 15 }],
  ["REDIS://h", { kind: "single" }],
  ["redis://[::1]:6380/0", { node: { host: "::1", port: 6380 } }],
  ["redis://ada:p%40s%2Fs@h", { credentials: ada }],
  ["redis://ada:p@s%2Fs@h", { credentials: ada }],
  ["redis://:p@h", { credentials: { username: undefined, password: "p" } }],
  ["redis://u@h", { credentials: { username: "u", password: undefined } }],
  ["redis://u:50%25@h", { credentials: { username: "u", password: "50%" } }],
  ["redis+unix:///run/r.sock", { kind: "socket", path: "/run/r.sock", db: 0 }],
  ["redis+unix:///run/r%20s.sock?db=2", { kind: "socket", path: "/run/r s.sock", db: 2 }],
  ["redis+unix://ada:p%40s%2Fs@/run/r.sock", { kind: "socket", credentials: ada }],
  [
    "redis+sentinel://ada:p%40s%2Fs@h1,h2:7/my-master/3?sentinel_password=x",
    {
      kind: "sentinel",
      nodes: [
        { host: "h1", port: 26_379 },
        { host: "h2", port: 7 },
      ],
      master: "my-master",
      db: 3,
      credentials: ada,
      sentinelCredentials: { username: undefined, password: "x" },
      tls: undefined,
    },
  ],
  ["redis+sentinel://h1/my-master", { db: 0, sentinelCredentials: nobody }],
  [
    "redis+cluster://h1:7000,[::1]:7001",
    {
      kind: "cluster",
      nodes: [
        { host: "h1", port: 7_000 },
        { host: "::1", port: 7_001 },
      ],
      db: 0,
      tls: undefined,
    },
  ],
  ["redis+cluster://h1/0", { kind: "cluster", db: 0 }],
])("%s is read", (url, address) => {
  expect(parseRedisUrl(url)).toMatchObject(address);
});

describe("TLS, under the names of redis-py and Celery", () => {
  const none = { caFile: undefined, certFile: undefined, keyFile: undefined };

  test.each([
    ["rediss://h", none],
    ["rediss://h?ssl_cert_reqs=required", none],
    ["rediss://h?ssl_cert_reqs=CERT_REQUIRED", none],
    ["rediss://h/1?ssl_check_hostname=True", none],
    ["rediss://h/1?ssl_ca_certs=%2Fca%20x.pem", { ...none, caFile: "/ca x.pem" }],
    [
      "rediss://h?ssl_ca_certs=/a&ssl_certfile=/b&ssl_keyfile=/c",
      { caFile: "/a", certFile: "/b", keyFile: "/c" },
    ],
    ["rediss+sentinel://h/m?ssl_ca_certs=/a", { ...none, caFile: "/a" }],
    ["rediss+cluster://h?ssl_ca_certs=/a", { ...none, caFile: "/a" }],
  ])("%s", (url, tls) => {
    expect(parseRedisUrl(url).tls).toEqual(tls);
  });

  test.each([
    "ssl_cert_reqs=none",
    "ssl_cert_reqs=CERT_NONE",
    "ssl_cert_reqs=optional",
    "ssl_check_hostname=false",
  ])("%s is refused, and why", (parameter) => {
    expect(redisUrlFault(`rediss://h?${parameter}`)).toMatch(
      /must not turn the check of the server's certificate off.*ssl_ca_certs=/,
    );
  });
});

test.each([
  ["redis+unix:///run/r.sock?db=x", "the number of a database is expected"],
  ["redis+unix:///", "the path of the socket"],
  ["redis+unix://run/r.sock", "three slashes"],
  ["redis:///0", "a host such as"],
  ["redis://h:0", "a host such as"],
  ["redis://h:66000", "a host such as"],
  ["redis://h:x", "a host such as"],
  ["redis://a b", "a host such as"],
  ["redis://h1,h2", "redis+sentinel:// or a redis+cluster://"],
  ["redis://h/0?password=x", "no parameters are known"],
  ["redis://h/0?db=1", "no parameters are known"],
  ["redis://h/0?ssl_ca_certs=/ca.pem", "no parameters are known"],
  [
    "rediss://h/0?ssl=true",
    "only ssl_cert_reqs, ssl_check_hostname, ssl_ca_certs, ssl_certfile, ssl_keyfile",
  ],
  ["rediss://h?ssl_ca_certs=/a&ssl_ca_certs=/b", "each parameter is expected once"],
  ["rediss://h?ssl_certfile=/a", "are expected together"],
  ["redis://h/0#x", "begins with one of"],
  ["redis://u:50%@h", '"%25" is expected'],
  ["redis://h/x", "the number of a database"],
  ["redis://h/-1", "the number of a database"],
  ["redis://h/0/1", "nothing is expected behind"],
  ["redis+sentinel://h:1", "the master's name is expected"],
  ["redis+sentinel://h:1//0", "the master's name is expected"],
  ["redis+sentinel://h:1,/m", "a host such as"],
  ["redis+cluster://h:1/1", "no other database than 0"],
  ["redis+cluster://", "a host such as"],
  ["redis:h", "redis+unix"],
  ["http://h", "redis+unix"],
  ["constructor://h", "redis+unix"],
  ["h:6379", "redis+unix"],
  ["", "redis+unix"],
])("%j is no Redis URL: %s", (url, why) => {
  expect(redisUrlFault(url)).toContain(why);
});

test("whatever a password holds, encoded it is read, and no fault tells it", () => {
  const secret = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).map((text) => `S3CR${text}ET`);
  fc.assert(
    fc.property(secret, (password) => {
      const url = `redis+sentinel://u:${encodeURIComponent(password)}@h/m?sentinel_password=${encodeURIComponent(password)}`;
      expect(parseRedisUrl(url)).toMatchObject({
        credentials: { password },
        sentinelCredentials: { password },
      });
      expect(redisUrlFault(`redis://u:${password}@h/x/y/z?${password}=1`) ?? "").not.toContain(password);
    }),
  );
});
