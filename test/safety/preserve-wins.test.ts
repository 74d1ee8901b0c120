import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeApp } from "../support/app.ts";
import { DAY, put } from "../support/hands.ts";
import { diff, snapshot } from "../support/listing.ts";
import { spawnIdle } from "../support/processes.ts";

describe("a directory that would go as a unit stays", () => {
  const UNIT = `temp: [{ directories: "**/cache", holding: ["*"] }]`;

  test.each([
    {
      holds: "a session file",
      name: "login.session",
      more: "",
      reason: /"login\.session" in it is preserved/,
    },
    {
      holds: "a lock",
      name: "fetch.lock",
      more: 'locks: [{ files: "**/*.lock" }]',
      reason: /cache\/fetch\.lock in it is a lock, which clean-session-locks looks after/,
    },
    {
      holds: "a package manager's lock",
      name: "poetry.lock",
      more: "",
      reason: /"poetry\.lock" in it is preserved/,
    },
    {
      holds: "a preserved file",
      name: "own.db",
      more: "preserve: [app/cache/own.db]",
      reason: /"own\.db" in it/,
    },
  ])("when it holds $holds", async ({ name, more, reason }) => {
    const app = await makeApp(`${UNIT}\n${more}`);
    for (const file of ["a.tmp", name, "z.tmp"]) put(app.root, `app/cache/${file}`, "x", DAY);
    put(app.root, "other/cache/a.tmp", "x", DAY);
    const before = snapshot(app.root);

    const { lines } = await app.run("clean-temp-files");

    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^app/cache: kept: .*${reason.source}`)),
      expect.stringMatching(/^other\/cache: done/),
    ]);
    expect(diff(before, snapshot(app.root)).removed).toEqual(["other/cache", "other/cache/a.tmp"]);
  });
});

test.each(["data/", "./data//**", "data/./**", "data", "./data/"])(
  "`preserve: [%j]` protects all that is in data",
  async (pattern) => {
    const app = await makeApp(
      `temp: [{ files: "**/*.tmp" }, { directories: "**/cache", holding: ["*"] }]\npreserve: [${JSON.stringify(pattern)}]`,
    );
    for (const path of ["data/a.tmp", "data/deep/er/b.tmp", "data/cache/c", "c.tmp", "cache/c"])
      put(app.root, path);
    const before = snapshot(app.root);
    await app.run("clean-temp-files");
    expect(diff(before, snapshot(app.root)).removed).toEqual(["c.tmp", "cache", "cache/c"]);
  },
);

test.each([
  { list: "current/**", link: "current", to: "releases/5" },
  { list: "current/data/**", link: "current", to: "releases/5" },
  { list: "current/{data,none}/**", link: "current", to: "./releases/../releases/5" },
  { list: "current/data/of-tomorrow/**", link: "current", to: "releases/5" },
  { list: "a/b/data", link: "a", to: "x" },
])("`preserve: [$list]` protects what $link leads to ($to)", async ({ list, link, to }) => {
  const app = await makeApp(`temp: [{ files: "**/*.tmp" }]\npreserve: ["${list}"]`);
  for (const directory of ["releases/4", "releases/5", "x"])
    put(app.root, `${directory}/data/of-tomorrow/a.tmp`);
  symlinkSync(to, join(app.root, link));
  if (link === "a") symlinkSync("../releases/5", join(app.root, "x/b"));
  await app.run("clean-temp-files");
  expect(existsSync(join(app.root, "releases/5/data/of-tomorrow/a.tmp"))).toBe(true);
  expect(existsSync(join(app.root, "releases/4/data/of-tomorrow/a.tmp"))).toBe(false);
});

test("a link in the preserve list that leads nowhere, out of the root, or in a circle changes nothing", async () => {
  const app = await makeApp(`temp: [{ files: "**/*.tmp" }]\npreserve: [nowhere/**, outside/**, circle/x]`);
  symlinkSync("none", join(app.root, "nowhere"));
  symlinkSync("/usr", join(app.root, "outside"));
  symlinkSync("circle", join(app.root, "circle"));
  put(app.root, "usr/a.tmp");
  expect((await app.run("clean-temp-files")).lines).toEqual(["usr/a.tmp: done"]);
});

describe("a temp rule never takes a lock", () => {
  test("that a locks rule is about, held or stale, old or young", async () => {
    const app = await makeApp(
      `locks: [{ files: ["*.lock", "run/*.lck"], olderThan: 30d }]\ntemp: [{ files: ["*.lock", "run/**", "*.tmp"] }]`,
    );
    const owner = await spawnIdle();
    put(app.root, "held.lock", `${owner.pid}`, DAY);
    for (const path of ["stale.lock", "run/a.lck", "run/a.tmp", "b.tmp"]) put(app.root, path, "", DAY);
    const { lines } = await app.run("clean-temp-files");
    const reason = "kept: a lock, which clean-session-locks looks after";
    expect(lines).toEqual([
      "b.tmp: done",
      `held.lock: ${reason}`,
      "run/a.lck: ".concat(reason),
      "run/a.tmp: done",
      `stale.lock: ${reason}`,
    ]);
  });

  test("nor a directory called like one", async () => {
    const app = await makeApp(
      `locks: [{ files: "*.lock" }]\ntemp: [{ directories: "*.lock", holding: ["*"] }]`,
    );
    mkdirSync(join(app.root, "app.lock"));
    expect((await app.run("clean-temp-files")).targets("kept")).toEqual(["app.lock"]);
  });
});
