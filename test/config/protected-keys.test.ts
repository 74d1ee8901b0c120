import { describe, expect, test } from "vitest";
import { protectedKeysOf, protectedMatch } from "../../src/config/protected-keys.ts";
import { loadText, problemsOf } from "./workshop.ts";

const guard = protectedKeysOf({ redis: { brokerQueues: ["celery", "a*b"] } });

test.each([
  { keys: "*", touches: "celery" },
  { keys: "c*", touches: "celery" },
  { keys: "celery", touches: "celery" },
  { keys: "[a-d]elery", touches: "celery" },
  { keys: "celery?*", touches: "celery\\u0006\\u0016*" },
  { keys: "celery\x06\x16[0-9]", touches: "celery\\u0006\\u0016*" },
  { keys: "_kombu.binding.celery", touches: "_kombu.binding.*" },
  { keys: "_kombu*", touches: "_kombu.binding.*" },
  { keys: "unacked_index", touches: "unacked*" },
  { keys: "unack*", touches: "unacked*" },
  { keys: "{safe-shutdown-app}:runs:*", touches: "{safe-shutdown-*" },
  { keys: "{*", touches: "{safe-shutdown-*" },
  { keys: "bull:*", touches: "bull:*" },
  { keys: "b*", touches: "bull:*" },
  { keys: "*:done", touches: "_kombu.binding.*" },
  { keys: "celery@*", touches: "*.pidbox" },
  { keys: "celery@host.celery.pidbox", touches: "*.pidbox" },
  { keys: "0*", touches: "*.pidbox" },
  { keys: "????????-*", touches: "unacked*" },
  { keys: "[0-9]???????-*", touches: "*.pidbox" },
  { keys: "worker1*.pidbox", touches: "*.pidbox" },
  { keys: "worker1*pidbo[x-z]", touches: "*.pidbox" },
  { keys: "worker1.pidbox", touches: "*.pidbox" },
  { keys: "a\\*b", touches: "a*b" },
])("a rule for $keys is refused: it can match $touches", ({ keys, touches }) => {
  expect(protectedMatch(keys, guard)).toBe(touches);
});

test.each([
  "telegram_message:*",
  "celery-task-meta-*",
  "celeryx",
  "celery_*",
  "_kombu.bindin",
  "bull",
  "{app}:*",
  "telegram:*x",
  "telegram:*box",
  "axb",
  "axb\x06\x163",
])("a rule for %s is fine", (keys) => {
  expect(protectedMatch(keys, guard)).toBeUndefined();
});

test("the list for the server names plain prefixes, suffixes and keys", () => {
  expect(guard).toEqual({
    prefixes: ["_kombu.binding.", "unacked", "{safe-shutdown-", "bull:", "celery\x06\x16", "a*b\x06\x16"],
    suffixes: [".pidbox"],
    exact: ["celery", "a*b"],
    anywhere: { suffixes: ["unacked", "unacked_index", "unacked_mutex"], parts: ["_kombu.binding."] },
  });
});

describe("in a config", () => {
  const rule = (keys: string, more = "") =>
    `app: a\nredis: { ${more} prune: [{ keys: ${JSON.stringify(keys)}, olderThan: 1d, age: [idle] }] }`;

  test("such a rule is a problem with a hint", async () => {
    expect(await problemsOf(loadText(rule("unacked*")))).toEqual([
      {
        path: "redis.prune[0].keys",
        message:
          "expected a glob that spares the queues' keys, got `unacked*`, which can match unacked* (safe-shutdown.yaml:2)",
        hint: "start it with the application's own prefix, such as myapp:*",
      },
    ]);
  });

  test("brokerQueues decides which queues there are", async () => {
    await expect(loadText(rule("celery", "brokerQueues: [other],"))).resolves.toBeDefined();
    expect(await problemsOf(loadText(rule("oth*", "brokerQueues: [other],")))).toHaveLength(1);
  });
});
