import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cliIn, useApplication } from "../support/application.ts";
import { CLI } from "../support/cli.ts";
import { put } from "../support/hands.ts";
import { useRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* A Redis without AUTH answers: ERR unknown command 'AUTH', with args beginning with: 'user' 'password'. */

const PASSWORD = "Tr0ub4dor/&3";
const CONFIG = `app: scraper
redis: { prune: [{ keys: "message:*", olderThan: 1h, age: [idle] }] }`;

test.each(["clean --yes --json -v", "status --json", "check --json", "worker", "runs --json"])(
  "a Redis that quotes the password back does not make `%s` tell it",
  async (words) => {
    const include = put(
      temporaryDirectory(),
      "no-auth.conf",
      'rename-command AUTH ""\nrename-command HELLO ""\n',
    );
    const { port } = await useRedis({ options: { include } });
    const root = await useApplication({}, CONFIG);
    const url = `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/0`;

    const { stdout, stderr } = await cliIn(root, url).run(words);

    const said = stdout + stderr;
    expect(said).toMatch(/unknown command|'\*\*\*'|cannot be reached/); // the error itself is not swallowed
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), "Tr0ub4dor"])
      expect(said).not.toContain(secret);
  },
);

test.runIf(process.platform === "linux")(
  "a password among the arguments does not stand in the process list while a worker lives",
  async () => {
    const { port } = await useRedis({ options: { requirepass: "Tr0ub4dor" } });
    const root = await useApplication({}, CONFIG);
    const url = `redis://:Tr0ub4dor@127.0.0.1:${port}/0`;
    const worker = cliIn(root).start(`worker --root ${root} --redis ${url}`, { env: { CANARY: "sings" } });
    await worker.stderr.waitFor(/is up/);

    const seen = readFileSync(`/proc/${worker.pid}/cmdline`, "utf8").replace(/\0+$/, "");
    expect(seen).toBe(
      `${process.execPath} ${CLI} worker --root ${root} --redis ${url.replace("Tr0ub4dor", "***")}`,
    );
    expect(readFileSync(`/proc/${worker.pid}/environ`, "utf8").split("\0")).toContain("CANARY=sings");
    worker.signal("SIGTERM");
    expect((await worker.result).code).toBe(0);
  },
);
