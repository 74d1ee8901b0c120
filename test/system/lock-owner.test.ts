import { expect, test } from "vitest";
import { isSqlite, LOCK_MAX_BYTES, numbersIn, parseLockOwners } from "../../src/system/lock-owner.ts";

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
  { holds: "half a JSON", content: '{"pid":42', owner: here(42) },
  { holds: "a sentence", content: "pid 4242.\n", owner: here(4242) },
  { holds: "pid and host by name", content: "pid=4242 host=db-1", owner: { pid: 4242, host: "db-1" } },
  {
    holds: "JSON with pid and node",
    content: '{"pid":4242,"node":"db-1"}',
    owner: { pid: 4242, host: "db-1" },
  },
  { holds: "pid@address", content: "4242@10.0.0.7", owner: { pid: 4242, host: "10.0.0.7" } },
  {
    holds: "address:+pid, as Firefox writes it",
    content: "127.0.1.1:+4242",
    owner: { pid: 4242, host: "127.0.1.1" },
  },
  {
    holds: "pid, program and host, as Qt writes it",
    content: "4242\nfetch\ndb-1\n",
    owner: { pid: 4242, host: "db-1" },
  },
  {
    holds: "pid, program, host, machine and boot",
    content: "4242\nfetch\ndb-1\n0123456789abcdef\nfedcba\n",
    owner: { pid: 4242, host: "db-1" },
  },
  { holds: "pid and a path", content: "4242\n/var/lib/db\n1700000000\n", owner: here(4242) },
  { holds: "bytes", content: Buffer.from([0, 255, 52, 50]), owner: undefined },
])("a lock file that holds $holds", ({ content, owner }) => {
  expect(parseLockOwners(Buffer.from(content))).toEqual(owner === undefined ? [] : [owner]);
});

test.each([
  { content: `a${"-".repeat(LOCK_MAX_BYTES - 1)}` },
  { content: " ".repeat(LOCK_MAX_BYTES) },
  { content: `1${" ".repeat(LOCK_MAX_BYTES - 2)}\x01` },
  { content: `a${"-1".repeat(LOCK_MAX_BYTES / 2 - 1)}x` },
  { content: "[".repeat(LOCK_MAX_BYTES) },
  { content: `pid${" ".repeat(LOCK_MAX_BYTES - 4)}x` },
  { content: "pid ".repeat(LOCK_MAX_BYTES / 4) },
  { content: "host=".repeat(LOCK_MAX_BYTES / 5) },
  { content: `${":".repeat(LOCK_MAX_BYTES - 1)}x` },
])("a lock file made to be slow to read is read at once", ({ content }) => {
  const startedAtMs = performance.now();
  expect(parseLockOwners(Buffer.from(content))).toEqual([]);
  numbersIn(Buffer.from(content));
  expect(performance.now() - startedAtMs).toBeLessThan(500);
});

test("every owner that is named counts: one that lives is enough", () => {
  const text = '{"parent": {"pid": 1000}, "workers": [{"pid": 1001}, {"pid": 1000}]}';
  expect(parseLockOwners(Buffer.from(text))).toEqual([here(1000), here(1001)]);
});

test.each([
  { content: "locked by 4242 since monday", numbers: [4242] },
  { content: "4242 4243\n", numbers: [4242, 4243] },
  { content: "owner:4242;", numbers: [4242] },
  { content: "worker #4242.", numbers: [4242] },
  { content: "2024-01-15T10:00:00+01:00", numbers: [] },
  { content: "2024/01/15 10:00:00.123", numbers: [] },
  { content: "15.01.2024", numbers: [] },
  { content: "20240115 1700000000 0.5 v22 0x10", numbers: [] },
  { content: "1 4194305", numbers: [] },
])("the numbers that may be pids in $content", ({ content, numbers }) => {
  expect(numbersIn(Buffer.from(content))).toEqual(numbers);
});

test.each([
  { what: "a database", hex: "53514c69746520666f726d61742033001000", isOne: true },
  { what: "a rollback journal", hex: "d9d505f920a163d700000001", isOne: true },
  { what: "a write-ahead log", hex: "377f0682002de218", isOne: true },
  { what: "the beginning of a magic number", hex: "d9d505", isOne: false },
  { what: "nothing", hex: "", isOne: false },
])("$what is a file of SQLite: $isOne", ({ hex, isOne }) => {
  expect(isSqlite(Buffer.from(hex, "hex"))).toBe(isOne);
});
