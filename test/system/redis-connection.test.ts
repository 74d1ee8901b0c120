import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { SafeShutdownError } from "../../src/errors.ts";
import { connectRedis, openRedis } from "../../src/system/redis-connection.ts";
import { type Authority, type Certificate, makeAuthority } from "../support/certificates.ts";
import { put } from "../support/hands.ts";
import { type PrivateRedis, useClient, useCluster, useRedis, useSentinel } from "../support/redis.ts";
import { useRedisProxy } from "../support/redis-proxy.ts";
import { sharedTemporaryDirectory, temporaryDirectory } from "../support/temp.ts";

/** Why Redis cannot be reached, in less than two seconds; fails when it can. */
async function whyNot(url: string): Promise<string> {
  const startedAtMs = performance.now();
  const error = await connectRedis(url).then(
    (redis) => redis.disconnect(),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof SafeShutdownError))
    expect.fail(`expected it not to be reached, got ${String(error)}`);
  expect(error.code).toBe("redis-unreachable");
  expect(performance.now() - startedAtMs).toBeLessThan(2_200);
  return error.message;
}

async function isReached(url: string): Promise<void> {
  const redis = await connectRedis(url);
  onTestFinished(() => redis.disconnect());
  expect(await redis.ping()).toBe("PONG");
}

describe("with TLS", () => {
  const directory = sharedTemporaryDirectory();
  let ours: Authority;
  let good: Certificate;
  beforeAll(() => {
    ours = makeAuthority(directory);
    good = ours.issue("server", "IP:127.0.0.1,DNS:localhost");
  });
  const server = (certificate: Certificate, asksClients = false): Promise<PrivateRedis> =>
    useRedis({ tls: { ca: ours.cert, ...certificate, asksClients } });
  const urlOf = ({ tlsPort }: PrivateRedis, parameters: string, host = "127.0.0.1") =>
    `rediss://${host}:${tlsPort}/0${parameters}`;

  test("a server with a certificate of the named CA is reached, by address and by name", async () => {
    const redis = await server(good);
    await isReached(urlOf(redis, `?ssl_cert_reqs=required&ssl_ca_certs=${ours.cert}`));
    await isReached(urlOf(redis, `?ssl_ca_certs=${ours.cert}`, "localhost"));
  });

  test("without the CA it is refused, with what to do", async () => {
    expect(await whyNot(urlOf(await server(good), ""))).toMatch(
      /certificate.* \(.*name the CA's file with \?ssl_ca_certs=/,
    );
  });

  test("with another CA it is refused", async () => {
    const other = makeAuthority(temporaryDirectory(), "other");
    expect(await whyNot(urlOf(await server(good), `?ssl_ca_certs=${other.cert}`))).toContain(
      "signed by a CA that is not known here",
    );
  });

  test.each([
    { what: "has expired", names: "IP:127.0.0.1", expired: true, says: "renew the server's certificate" },
    { what: "is another host's", names: "DNS:redis.example.org", expired: false, says: "made out for" },
  ])("a certificate that $what is refused", async ({ names, expired, says }) => {
    const redis = await server(ours.issue(`odd-${expired}`, names, { expired }));
    expect(await whyNot(urlOf(redis, `?ssl_ca_certs=${ours.cert}`))).toContain(says);
  });

  test("a server that asks for a certificate is given ours, and says so without", async () => {
    const redis = await server(good, true);
    const { cert, key } = ours.issue("client", "DNS:client");
    const ca = `?ssl_ca_certs=${ours.cert}`;
    await isReached(urlOf(redis, `${ca}&ssl_certfile=${cert}&ssl_keyfile=${key}`));
    expect(await whyNot(urlOf(redis, ca))).toContain("name one with ?ssl_certfile=");
  });

  test("a file that is missing, or none, is told with its parameter", async () => {
    const redis = await server(good);
    expect(await whyNot(urlOf(redis, "?ssl_ca_certs=/nowhere/ca.pem"))).toMatch(
      /ssl_ca_certs expects a file that can be read: ENOENT.*\/nowhere\/ca\.pem/,
    );
    const none = put(temporaryDirectory(), "ca.pem", "not PEM");
    expect(await whyNot(urlOf(redis, `?ssl_ca_certs=${none}`))).toContain("expects a file in PEM form");
  });

  test("TLS where there is none, and none where there is, are told", async () => {
    const redis = await server(good);
    expect(await whyNot(`rediss://127.0.0.1:${redis.port}/0`)).toContain("write redis instead of rediss");
    expect(await whyNot(`redis://127.0.0.1:${redis.tlsPort}/0`)).toContain("write rediss instead of redis");
  });
});

describe("through sentinels", () => {
  test("the master is reached, also when a sentinel is away; passwords of both kinds are given", async () => {
    const watched = await useSentinel({ password: "of-the/servers", sentinelPassword: "of/the&sentinels" });
    const with_ = (servers: string, sentinels: string) =>
      `${watched.url.replace("//", `//:${servers}@127.0.0.1:1,`)}?sentinel_password=${sentinels}`;
    await isReached(with_("of-the%2Fservers", "of%2Fthe%26sentinels"));

    const wrong = await whyNot(with_("S3CRET", "of%2Fthe%26sentinels"));
    expect(wrong).toMatch(/WRONGPASS.*check the user and password/);
    const wrongSentinel = await whyNot(with_("of-the%2Fservers", "S3CRET"));
    for (const message of [wrong, wrongSentinel]) expect(message).not.toContain("S3CRET");
    expect(
      await whyNot(with_("of-the%2Fservers", "of%2Fthe%26sentinels").replace("watched", "other")),
    ).toMatch(/^Redis at other of 127\.0\.0\.1:1,.* cannot be reached: .*No such master.*check the name/);
  });

  test("that are all away: the reason of the first is told", async () => {
    expect(await whyNot("redis+sentinel://127.0.0.1:1,127.0.0.1:2/x")).toContain(
      "connect ECONNREFUSED 127.0.0.1:1",
    );
  });
});

/** A master that hangs keeps its connections: only the sentinels tell that it was replaced. */
describe("a connection that is to last, through sentinels", () => {
  async function open() {
    const watched = await useSentinel({ sentinels: 1 });
    const proxy = await useRedisProxy(watched.sentinelPorts[0] ?? 0);
    const redis = await openRedis(
      `${proxy.url.replace("redis:", "redis+sentinel:").replace(/0$/, "watched/0")}`,
      () => {},
    );
    onTestFinished(() => redis.disconnect());
    await redis.set("before", "kept");
    await redis.wait(1, 5_000);
    const sentinel = useClient(`redis://127.0.0.1:${watched.sentinelPorts[0]}`);
    const clients = async () => String(await sentinel.client("LIST"));
    await expect.poll(clients, { timeout: 5_000 }).toMatch(/ sub=1 /);
    return { watched, proxy, redis };
  }

  test("is made again when the master was replaced though it is only stopped", {
    timeout: 60_000,
  }, async () => {
    const { watched, redis } = await open();
    const hung = await watched.currentMaster();
    process.kill(hung.pid() ?? 0, "SIGSTOP");
    try {
      const portOfMaster = async () => (await watched.currentMaster()).port;
      await expect.poll(portOfMaster, { timeout: 30_000 }).not.toBe(hung.port);
      expect(await redis.get("before")).toBe("kept");
    } finally {
      process.kill(hung.pid() ?? 0, "SIGCONT");
    }
  });

  test("is made again also when that is told in the midst of asking for the master", {
    timeout: 60_000,
  }, async () => {
    const { watched, proxy, redis } = await open();
    const asks = proxy.holdBefore({ text: "get-master-addr-by-name" });
    const replaced = watched.failover();
    const asking = await asks;
    await replaced;
    asking.release();
    expect(await redis.get("before")).toBe("kept");
  });
});

describe("a Cluster", () => {
  test("is reached through any of its nodes, though another is away; with a password too", async () => {
    const cluster = await useCluster({ options: { requirepass: "right", masterauth: "right" } });
    const [, second] = cluster.masters;
    await isReached(`redis+cluster://:right@127.0.0.1:1,127.0.0.1:${second?.port}`);
    const message = await whyNot(`redis+cluster://:S3CRET@127.0.0.1:${second?.port}`);
    expect(message).toContain("WRONGPASS");
    expect(message).not.toContain("S3CRET");
  });

  test("that is down says so", async () => {
    const cluster = await useCluster({ masters: 2 });
    await cluster.masters[1]?.kill();
    const [first] = cluster.masters;
    const client = useClient(first?.url ?? "");
    await expect
      .poll(async () => String(await client.cluster("INFO")), { timeout: 10_000 })
      .toContain("state:fail");
    expect(await whyNot(cluster.url)).toMatch(/cannot be reached: .*(down|CLUSTERDOWN|Ready check|state)/i);
  });

  test("a server that is none is told from one", async () => {
    const { port } = await useRedis();
    expect(await whyNot(`redis+cluster://127.0.0.1:${port}`)).toContain(
      "write redis instead of redis+cluster",
    );
  });
});

test.each([
  "redis://127.0.0.1:PORT/0",
  "redis+sentinel://127.0.0.1:PORT/x",
  "redis+cluster://127.0.0.1:PORT",
])("%s that is mute: within two seconds, and at once when asked again", async (url) => {
  const mute = createServer(() => {}).listen(0, "127.0.0.1");
  const port = await new Promise<number>((resolve) => {
    mute.once("listening", () => {
      const address = mute.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  onTestFinished(() => {
    mute.close();
  });
  const there = url.replace("PORT", String(port));
  expect(await whyNot(there)).toMatch(/timed out|ETIMEDOUT|does not answer/);
  const startedAtMs = performance.now();
  expect(await whyNot(there)).toContain("has not answered a moment ago");
  expect(performance.now() - startedAtMs).toBeLessThan(100);
});

test("a socket is reached, one that is not there is told", async () => {
  const { socket } = await useRedis({ unixSocket: true });
  await isReached(`redis+unix://${socket}?db=3`);
  expect(await whyNot(`redis+unix://${join(temporaryDirectory(), "none.sock")}`)).toContain("ENOENT");
});
