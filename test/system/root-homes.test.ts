import { expect, test, vi } from "vitest";
import { resolveRoot } from "../../src/system/root.ts";
import { temporaryDirectory } from "../support/temp.ts";

const system = vi.hoisted(() => ({ home: "/nowhere" }));

vi.mock("node:os", async (original) => {
  const real = await original<typeof import("node:os")>();
  return { ...real, userInfo: () => ({ ...real.userInfo(), homedir: system.home }) };
});

test("the home that the system knows is refused, whatever $HOME says", () => {
  system.home = temporaryDirectory();
  expect(() => resolveRoot(system.home)).toThrow("it is a home directory");
});
