import fc from "fast-check";
import { expect, test } from "vitest";
import { redactText } from "../../src/config/redact.ts";

test.each([
  ["redis://user:secret@host:6379/0", "redis://user:***@host:6379/0"],
  ["redis://:secret@host/0", "redis://:***@host/0"],
  ["redis://secret@host/0", "redis://***@host/0"],
  ["rediss://u:s@c/r?e t@host", "rediss://u:***@host"],
  ["redis://host/0?password=secret&x=1", "redis://host/0?password=***&x=1"],
  ["redis://host:6379/0", "redis://host:6379/0"],
  [
    "redis+sentinel://u:s@h1,h2/m/0?sentinel_password=s",
    "redis+sentinel://u:***@h1,h2/m/0?sentinel_password=***",
  ],
  ["redis+cluster://:s@h1:1,h2:2", "redis+cluster://:***@h1:1,h2:2"],
  ["redis+unix:///run/redis.sock?db=1", "redis+unix:///run/redis.sock?db=1"],
])("%s is shown as %s", (url, shown) => {
  expect(redactText(url)).toBe(shown);
});

test("no password survives, whatever is in it", () => {
  const secret = fc.string({ minLength: 1, maxLength: 20 }).map((text) => `S3CR${text}ET`);
  fc.assert(
    fc.property(secret, (password) => {
      expect(redactText(`got redis://user:${password}@host/0`)).toBe("got redis://user:***@host/0");
    }),
  );
});
