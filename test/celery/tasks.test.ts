import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isNodeOf } from "../../src/system/celery-node.ts";
import { type BrokerAccess, CeleryTasks } from "../../src/system/celery-tasks.ts";
import { systemClock } from "../../src/system/clock.ts";
import { readProcess } from "../../src/system/proc.ts";
import { CeleryApp, celeryAvailable } from "../support/celery.ts";
import { useClient, useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

describe.skipIf(!celeryAvailable())("what a real Celery worker is executing", () => {
  test("is told by the worker, and leaves no trace in the broker", async () => {
    const server = await useRedis();
    const root = temporaryDirectory();
    const app = new CeleryApp({ root, redisUrl: server.url, taskSeconds: 5 });
    await app.startWorker();
    const pid = pidIn(root, "celery_worker.pid");
    const tasks = new CeleryTasks(server.url, "ask", systemClock);
    expect(await tasks.runningIn(mainOf(pid))).toEqual({ running: 0, unacknowledged: 0 });

    const redis = useClient(server.url);
    const before = (await redis.keys("*")).sort();
    await app.submit(5);
    await app.hasStarted(2);
    expect(await tasks.runningIn(mainOf(pid))).toEqual({ running: 2, unacknowledged: 0 });
    expect(await tasks.unacknowledged()).toBe(3); // reserved, not begun
    const added = (await redis.keys("*")).filter((key) => !before.includes(key) && key.includes("reply"));
    expect(added).toEqual([]);
    expect(await redis.smembers("_kombu.binding.reply.celery.pidbox")).toEqual([]);
  });

  test("stays unknown for a pid that is no worker, and in a plan", async () => {
    const server = await useRedis();
    const root = temporaryDirectory();
    await new CeleryApp({ root, redisUrl: server.url }).startWorker();
    const pid = pidIn(root, "celery_worker.pid");
    expect(
      await new CeleryTasks(server.url, "ask", systemClock).runningIn(mainOf(process.pid)),
    ).toBeUndefined();
    expect(await new CeleryTasks(server.url, "read", systemClock).runningIn(mainOf(pid))).toBeUndefined();
  });
});

describe("tasks that were taken and not acknowledged", () => {
  const counted = (url: string, access: BrokerAccess) =>
    new CeleryTasks(url, access, systemClock).unacknowledged();

  test("are those of all workers of the broker", async () => {
    const { url } = await useRedis();
    await useClient(url).hset("unacked", { "tag-1": "of a worker here", "tag-2": "of one elsewhere" });
    expect(await counted(url, "ask")).toBe(2);
    expect(await counted(url, "read")).toBe(2);
  });

  test("are not asked for where Redis is left alone", async () => {
    const { url } = await useRedis();
    const client = useClient(url);
    await client.hset("unacked", "tag", "taken");
    const connections = async () =>
      Number(/^total_connections_received:(\d+)/m.exec(await client.info("stats"))?.[1]);
    const before = await connections();
    expect(await counted(url, "none")).toBeUndefined();
    expect(await connections()).toBe(before);
  });

  test("are not known, instead of none, when Redis is away", async () => {
    expect(await counted("redis://127.0.0.1:1/0", "read")).toBeUndefined();
  });
});

test("nothing is asked for long where no worker listens", async () => {
  const server = await useRedis();
  const startedAt = performance.now();
  expect(await new CeleryTasks(server.url, "ask", systemClock).runningIn(mainOf(1))).toBeUndefined();
  expect(performance.now() - startedAt).toBeLessThan(900);
});

describe("an answer of another host, where the same number is another worker's", () => {
  const OWN = hostname();

  /** Answers every question as these nodes would. */
  async function answering(url: string, nodes: Record<string, { pid: unknown; active: unknown }>) {
    const [listener, redis] = [useClient(url), useClient(url)];
    await listener.psubscribe("/*.celery.pidbox");
    listener.on("pmessage", async (_pattern: string, _channel: string, message: string) => {
      const asked = JSON.parse(Buffer.from(JSON.parse(message).body, "base64").toString());
      const queue = `${asked.reply_to.routing_key}.reply.celery.pidbox`;
      for (const [node, { pid, active }] of Object.entries(nodes)) {
        const value = asked.method === "stats" ? { pid } : active;
        const body = Buffer.from(JSON.stringify({ [node]: value })).toString("base64");
        await redis.lpush(queue, JSON.stringify({ body, headers: { ticket: asked.ticket } }));
      }
      await redis.lpush(queue, "no JSON", "{}", JSON.stringify({ body: "x", headers: { ticket: "stats" } }));
    });
  }

  const worker = { pid: 4_242, commandLine: "python3 -m celery -A scraper worker --concurrency=2" };
  const tasks = (count: number) => Array.from({ length: count }, () => ({ acknowledged: true }));

  test("is not taken for ours", async () => {
    const { url } = await useRedis();
    await answering(url, { "celery@another-host": { pid: worker.pid, active: tasks(7) } });
    expect(await new CeleryTasks(url, "ask", systemClock).runningIn(worker)).toBeUndefined();
  });

  test("does not hide ours, nor does one that makes no sense", async () => {
    const { url } = await useRedis();
    await answering(url, {
      "celery@another-host": { pid: worker.pid, active: tasks(7) },
      "celery@broken": { pid: "4242", active: { error: "no" } },
      [`celery@${OWN}`]: { pid: worker.pid, active: tasks(2) },
      "celery@a-third": { pid: worker.pid, active: tasks(5) },
    });
    expect(await new CeleryTasks(url, "ask", systemClock).runningIn(worker)).toEqual({
      running: 2,
      unacknowledged: 0,
    });
  });

  test.each([
    { node: "celery@web-1.example", words: "celery worker", is: true },
    { node: "celery@WEB-1.example", words: "celery worker", is: true },
    { node: "mail@web-1.example", words: "celery worker -n mail@%h", is: true },
    { node: "celery@web-2.example", words: "celery worker -n mail@%h", is: false },
    { node: "celery@web-1.example.evil", words: "celery worker", is: false },
    { node: "mail@blue", words: "celery worker --hostname=mail@blue -c 2", is: true },
    { node: "mail@blue", words: "celery worker --hostname mail@green", is: false },
    { node: "w-web-1@example", words: "celery worker -n w-%n@%d", is: true },
    { node: "celery@blue", words: "celery worker -nblue", is: true },
    { node: "100%@x", words: "celery worker -n 100%%@x", is: true },
    { node: "", words: "celery worker", is: false },
  ])("$node is the node of `$words` on web-1.example: $is", ({ node, words, is }) => {
    expect(isNodeOf(node, { commandLine: words }, "web-1.example")).toBe(is);
  });
});

function mainOf(pid: number) {
  return { pid, commandLine: readProcess(pid)?.commandLine ?? "" };
}

function pidIn(root: string, name: string): number {
  return Number(readFileSync(join(root, "pids", name), "utf8"));
}
