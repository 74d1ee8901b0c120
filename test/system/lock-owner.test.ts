import { expect, test } from "vitest";
import { LOCK_MAX_BYTES, parseLockOwner } from "../../src/system/lock-owner.ts";

const here = (pid: number) => ({ pid, host: undefined });

test.each([
  { holds: "a pid", content: "4242", owner: here(4242) },
  { holds: "a pid and a line end", content: " 4242\n", owner: here(4242) },
  { holds: "pid host", content: "4242 db-1.example\n", owner: { pid: 4242, host: "db-1.example" } },
  { holds: "pid and host on two lines", content: "4242\ndb-1\n", owner: { pid: 4242, host: "db-1" } },
  { holds: "pid@host", content: "4242@db-1", owner: { pid: 4242, host: "db-1" } },
  { holds: "host-pid, as Chrome writes it", content: "db-1-4242", owner: { pid: 4242, host: "db-1" } },
  { holds: "host:pid", content: "db-1:4242\n", owner: { pid: 4242, host: "db-1" } },
  { holds: "JSON with a pid", content: '{"pid": 4242}', owner: here(4242) },
  { holds: "JSON with a pid as text", content: '{"pid": "4242"}', owner: here(4242) },
  {
    holds: "JSON with pid and host",
    content: '{"pid":4242,"host":"db-1","since":"2026-01-01"}',
    owner: { pid: 4242, host: "db-1" },
  },
  {
    holds: "JSON with pid and hostname",
    content: '{"hostname":"db-1","pid":4242}',
    owner: { pid: 4242, host: "db-1" },
  },
  { holds: "nothing", content: "", owner: undefined },
  { holds: "words", content: "locked by the fetcher", owner: undefined },
  { holds: "a number that is no pid", content: "20260101120000", owner: undefined },
  { holds: "a negative number", content: "-4242", owner: undefined },
  { holds: "JSON without a pid", content: '{"owner":"fetcher"}', owner: undefined },
  { holds: "JSON with a pid that is none", content: '{"pid":-1}', owner: undefined },
  { holds: "JSON with a pid that is a fraction", content: '{"pid":4.2}', owner: undefined },
  { holds: "JSON that is no object", content: "null", owner: undefined },
  { holds: "half a JSON", content: '{"pid":42', owner: { pid: 42 } },
  { holds: "bytes", content: Buffer.from([0, 255, 52, 50]), owner: undefined },
])("a lock file that holds $holds", ({ content, owner }) => {
  expect(parseLockOwner(Buffer.from(content))).toEqual(owner);
});

test.each([
  { content: `a${"-".repeat(LOCK_MAX_BYTES - 1)}` },
  { content: " ".repeat(LOCK_MAX_BYTES) },
  { content: `1${" ".repeat(LOCK_MAX_BYTES - 2)}\x01` },
  { content: `a${"-1".repeat(LOCK_MAX_BYTES / 2 - 1)}x` },
  { content: "[".repeat(LOCK_MAX_BYTES) },
])("a lock file made to be slow to read is read at once", ({ content }) => {
  const startedAtMs = performance.now();
  expect(parseLockOwner(Buffer.from(content))).toBeUndefined();
  expect(performance.now() - startedAtMs).toBeLessThan(500);
});
