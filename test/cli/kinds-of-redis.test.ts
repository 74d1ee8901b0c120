import { Cluster, Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type CliInRoot,
  cliIn,
  jobOf,
  reportOf,
  useApplication,
  useService,
} from "../support/application.ts";
import { makeAuthority } from "../support/certificates.ts";
import { HOUR, MINUTE } from "../support/hands.ts";
import { isAlive } from "../support/processes.ts";
import { useClient, useCluster, useRedis, useSentinel } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* The built program as a whole against each kind of Redis there is: a shutdown by itself, and one by a worker. */

const CONFIG = `app: scraper
services: [{ name: workers, pidFiles: pids/worker.pid, matches: 'celery.*\\bworker\\b', grace: 5s }]
redis: { prune: [{ keys: "message:*", olderThan: 10m, age: [{ ttl: 24h }] }] }`;
const PASSWORD = "S3CRET/pass";
const OLD = 300;
const YOUNG = 30;

interface Place {
  /** With the password in it. */
  readonly url: string;
  readonly client: Redis | Cluster;
}

/** What holds keys of every age, so that each of a Cluster's masters has some of both. */
async function fill(client: Redis | Cluster): Promise<void> {
  const set = (name: string, ageMs: number) => client.set(`message:${name}`, "x", "PX", 24 * HOUR - ageMs);
  await Promise.all([
    ...Array.from({ length: OLD }, (_, index) => set(`old-${index}`, HOUR)),
    ...Array.from({ length: YOUNG }, (_, index) => set(`young-${index}`, MINUTE)),
  ]);
}

const kinds: Record<string, () => Promise<Place>> = {
  "with TLS and a password": async () => {
    const ours = makeAuthority(temporaryDirectory());
    const redis = await useRedis({
      tls: { ca: ours.cert, ...ours.issue("server", "IP:127.0.0.1") },
      options: { requirepass: PASSWORD },
    });
    const client = new Redis({ port: redis.port, password: PASSWORD });
    const secret = encodeURIComponent(PASSWORD);
    return { url: `rediss://:${secret}@127.0.0.1:${redis.tlsPort}/0?ssl_ca_certs=${ours.cert}`, client };
  },
  "on a socket": async () => {
    const { socket, url } = await useRedis({ unixSocket: true });
    return { url: `redis+unix://${socket}?db=0`, client: useClient(url) };
  },
  "watched by sentinels": async () => {
    const watched = await useSentinel({ password: PASSWORD, sentinelPassword: `${PASSWORD}2` });
    const [first] = watched.servers;
    const client = new Redis({ port: first?.port ?? 0, password: PASSWORD });
    const secret = encodeURIComponent(PASSWORD);
    const url = `${watched.url.replace("//", `//:${secret}@`)}?sentinel_password=${secret}2`;
    return { url, client };
  },
  "that is a Cluster": async () => {
    const { url, masters } = await useCluster({
      replicas: 1,
      options: { requirepass: PASSWORD, masterauth: PASSWORD },
    });
    const nodes = masters.map(({ port }) => ({ host: "127.0.0.1", port }));
    const client = new Cluster(nodes, { redisOptions: { password: PASSWORD } });
    return { url: url.replace("//", `//:${encodeURIComponent(PASSWORD)}@`), client };
  },
};

describe.each(Object.entries(kinds))("a Redis %s", (_, start) => {
  async function setUp(): Promise<Place & { program: CliInRoot; root: string; pid: number }> {
    const place = await start();
    onTestFinished(() => place.client.disconnect());
    await fill(place.client);
    const root = await useApplication({}, CONFIG);
    const { pid } = await useService(root, "pids/worker.pid", ["celery", "worker"]);
    return { ...place, program: cliIn(root, place.url), root, pid };
  }

  function expectNoSecret(...said: string[]): void {
    for (const text of said) {
      expect(text).not.toContain("S3CRET");
      expect(text).not.toContain(encodeURIComponent(PASSWORD));
    }
  }

  test("`--yes` stops, prunes and checks, through the queue there", async () => {
    const { program, pid, client } = await setUp();
    const result = await program.run("--yes --json -v");
    expect(result.code, result.stderr + result.stdout).toBe(0);
    const report = reportOf(result);
    expect(report).toMatchObject({ verdict: "done", engine: "queue" });
    expect(isAlive(pid)).toBe(false);
    expect(jobOf(report, "prune-redis").totals).toMatchObject({ done: OLD, kept: YOUNG });
    expect(report.system?.redis).toMatchObject({ reachable: true });
    expect(await client.exists("message:old-1")).toBe(0);
    expect(await client.exists("message:young-1")).toBe(1);
    expectNoSecret(result.stdout, result.stderr);
    const warnings = await program.run("check --json");
    expect(warnings.code, warnings.stdout).toBe(0);
    expect(warnings.stdout).not.toContain("cannot be reached");
    expectNoSecret(warnings.stdout, warnings.stderr);
  });

  test("a worker does what is asked of it, and ends when told", async () => {
    const { program, pid } = await setUp();
    const worker = program.start("worker");
    await worker.stderr.waitFor(/is up/);
    const asked = await program.run("--yes --detach");
    expect(asked.code, asked.stderr).toBe(0);
    const run = asked.stdout.trim();
    await worker.stderr.waitFor(/"msg":"run ended"/);
    expect(isAlive(pid)).toBe(false);
    const told = await program.run(`runs ${run} --json`);
    expect(reportOf(told)).toMatchObject({ run, verdict: "done", engine: "queue" });
    worker.signal("SIGTERM");
    const ended = await worker.result;
    expect(ended.code, ended.stderr).toBe(0);
    expectNoSecret(ended.stdout, ended.stderr, told.stdout, told.stderr);
    expect(ended.stderr).not.toContain("trouble");
  });
});
