import { expect, test } from "vitest";
import { KeyRoom } from "../../src/system/key-room.ts";
import { quotaOf, ruleFor } from "../support/keyspace.ts";

const rule = ruleFor("redis://127.0.0.1:1/0", "tg:*");
const removed = (keys: number) => ({ matched: keys, removed: keys, bytes: 0 });
const roomOf = (limit: number) => new KeyRoom(quotaOf({ limit }), rule);

test("what may be removed is lent once", async () => {
  const room = roomOf(30_000);
  const first = await room.borrow();
  expect(first.keys).toBe(20_000);
  const second = room.borrow();
  expect(await Promise.race([second, "it waits"])).toBe("it waits");
  room.settle(first.keys, removed(first.keys));
  expect(await second).toMatchObject({ keys: 10_000 });
});

test("nobody is told of less than a page may have while more can come back", async () => {
  const room = roomOf(20_600);
  const first = await room.borrow();
  const second = room.borrow();
  room.settle(first.keys, removed(500));
  expect(await second).toMatchObject({ keys: 20_000 });
  room.settle(20_000, removed(20_000));
  const third = await room.borrow();
  expect(third.keys).toBe(100);
  room.settle(third.keys, removed(100));
  expect(await room.borrow()).toMatchObject({ keys: 0 });
});

test("what was lent comes back where nothing is known of it", async () => {
  const room = roomOf(100);
  const { keys } = await room.borrow();
  room.settle(keys, undefined);
  expect(await room.borrow()).toMatchObject({ keys: 100 });
});
