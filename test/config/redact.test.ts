import fc from "fast-check";
import { expect, test } from "vitest";
import { redactText, redactUrl } from "../../src/config/redact.ts";
import { databaseOf, isRedisUrl } from "../../src/config/redis-url.ts";

test.each([
  ["redis://user:secret@host:6379/0", "redis://user:***@host:6379/0"],
  ["redis://:secret@host/0", "redis://:***@host/0"],
  ["redis://secret@host/0", "redis://***@host/0"],
  ["rediss://u:s@c/r?e t@host", "rediss://u:***@host"],
  ["redis://host/0?password=secret&x=1", "redis://host/0?password=***&x=1"],
  ["redis://host:6379/0", "redis://host:6379/0"],
  ["redis+unix:///run/redis.sock?db=1", "redis+unix:///run/redis.sock?db=1"],
])("%s is shown as %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

test("no password survives, whatever is in it", () => {
  const secret = fc.string({ minLength: 1, maxLength: 20 }).map((text) => `S3CR${text}ET`);
  fc.assert(
    fc.property(secret, (password) => {
      expect(redactText(`got redis://user:${password}@host/0`)).toBe("got redis://user:***@host/0");
    }),
  );
});

test.each([
  ["redis://h", true],
  ["redis://h/", true],
  ["redis://h:1/15", true],
  ["rediss://u:p@h", true],
  ["redis://[::1]:6379/0", true],
  ["redis+unix:///run/r.sock", true],
  ["redis+unix:///run/r.sock?db=2", true],
  ["redis+unix:///run/r.sock?db=x", false],
  ["redis+unix:///", false],
  ["redis:///0", false],
  ["redis://h/0?password=x", false],
  ["redis://h/0?db=1", false],
  ["redis://h/0#x", false],
  ["redis://u:50%@h", false],
  ["redis://u:50%25@h", true],
  ["redis:h", false],
  ["redis://h/x", false],
  ["redis://h/0/1", false],
  ["redis://h/-1", false],
  ["http://h", false],
  ["h:6379", false],
  ["", false],
])("%j is a Redis URL: %s", (text, isOne) => {
  expect(isRedisUrl(text)).toBe(isOne);
});

test.each([
  ["redis://h", 0],
  ["redis://h/", 0],
  ["redis://h/7", 7],
  ["redis+unix:///s?db=3", 3],
  ["redis+unix:///s", 0],
])("%s names database %i", (url, database) => {
  expect(databaseOf(url)).toBe(database);
});
