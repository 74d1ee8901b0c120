import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LittleApp } from "../support/little-app.ts";
import { sharedRedis } from "../support/redis.ts";

const { server } = sharedRedis();

test("--inline is refused with --all-hosts: it runs here and nowhere else", async () => {
  const app = new LittleApp({ redisUrl: server().url });
  const { code, stderr } = await app.startCli(["clean", "--yes", "--inline", "--all-hosts"]).result;
  expect(code).toBe(2);
  expect(stderr).toMatch(/--inline and --all-hosts exclude each other/);
  expect(existsSync(join(app.root, "stale.lock"))).toBe(true);
});

test.each([
  { what: "a second worker", words: ["worker", "--host", "web"] },
  { what: "a command", words: ["clean", "--yes", "--host", "web"] },
])("$what for another directory under the name of a host that has a worker is refused", async ({ words }) => {
  const first = new LittleApp({ redisUrl: server().url });
  const second = new LittleApp({ redisUrl: server().url, name: first.name });
  const worker = await first.startWorker({ host: "web" });

  const { code, stderr } = await second.startCli(words).result;

  expect(code).toBe(4);
  expect(stderr).toContain(
    `a worker of ${first.name} on web (pid ${worker.pid}) looks after ${first.root}, not ${second.root}`,
  );
  for (const { root } of [first, second]) expect(existsSync(join(root, "stale.lock"))).toBe(true);
});
