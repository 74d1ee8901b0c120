import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  lchownSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { requireTrust } from "../../src/system/trust.ts";
import { cliIn, useApplication } from "../support/application.ts";
import { openToAll, put } from "../support/hands.ts";
import { asPlainUser, isRoot, plainUserAvailable } from "../support/plain-user.ts";
import { temporaryDirectory } from "../support/temp.ts";

/* What root reads, root does: so nobody else may be able to change it. */

const UID = 4_242;
const SETTING = `app: scraper
redis:
  prune:
    - keys: tg:*
      age: [idle]
      olderThan: { setting: config/config.json#/SECONDS, unit: s, default: 1h }
`;

async function useConfig(config = "app: scraper\n"): Promise<string> {
  const root = await useApplication({}, config);
  put(root, "config/config.json", '{ "SECONDS": 60 }');
  return root;
}

describe.runIf(isRoot)("as root, a config is refused when somebody else can change it:", () => {
  test.each([
    {
      what: "the file is his",
      plant: (root: string) => chownSync(join(root, "safe-shutdown.yaml"), UID, UID),
      says: /but it belongs to uid 4242\n.*→ chown root \S+\/safe-shutdown\.yaml, or run it as the application's user: sudo -u '#4242' safe-shutdown …/,
    },
    {
      what: "his group may write it",
      plant: (root: string) => chmodSync(join(root, "safe-shutdown.yaml"), 0o664),
      says: /but it may be written by its group \(mode 0664\)\n.*→ chmod go-w/,
    },
    {
      what: "anybody may write it",
      plant: (root: string) => chmodSync(join(root, "safe-shutdown.yaml"), 0o606),
      says: /but it may be written by anybody \(mode 0606\)/,
    },
    {
      what: "its directory is his",
      plant: (root: string) => chownSync(root, UID, UID),
      says: /but \S+\/app belongs to uid 4242/,
    },
    {
      what: "his group may write its directory",
      plant: (root: string) => chmodSync(root, 0o775),
      says: /but \S+\/app may be written by its group/,
    },
    {
      what: "a directory above is his",
      plant: (root: string) => chownSync(join(root, ".."), UID, UID),
      says: /belongs to uid 4242/,
    },
    {
      what: "it is behind a link of his",
      plant: (root: string) => {
        renameSync(join(root, "safe-shutdown.yaml"), join(root, "real.yaml"));
        const aside = join(root, "sticky");
        mkdirSync(aside);
        chmodSync(aside, 0o1777);
        symlinkSync(join(root, "real.yaml"), join(aside, "link"));
        lchownSync(join(aside, "link"), UID, UID);
        symlinkSync("sticky/link", join(root, "safe-shutdown.yaml"));
      },
      says: /sticky\/link belongs to uid 4242/,
    },
    {
      what: "a link of root's leads to a file of his",
      plant: (root: string) => {
        const his = put(temporaryDirectory(), "theirs.yaml", "app: scraper\n");
        chownSync(his, UID, UID);
        renameSync(join(root, "safe-shutdown.yaml"), join(root, "old"));
        symlinkSync(his, join(root, "safe-shutdown.yaml"));
      },
      says: /theirs\.yaml belongs to uid 4242/,
    },
  ])("$what", async ({ plant, says }) => {
    const root = await useConfig();
    plant(root);
    const { code, stderr } = await cliIn(root).run("clean --dry-run --inline --quiet");
    expect(stderr).toMatch(/expected a file that only root can change, as root is to act on it/);
    expect([code, stderr]).toEqual([78, expect.stringMatching(says)]);
  });

  test("a file of its settings is his", async () => {
    const root = await useConfig(SETTING);
    chownSync(join(root, "config/config.json"), UID, UID);
    const { code, stderr } = await cliIn(root).run("check");
    expect([code, stderr]).toEqual([
      78,
      expect.stringMatching(/olderThan.*: config\/config\.json: .*only root can change.*\n.*→ chown root/),
    ]);
  });

  test("the file named with --config is his", async () => {
    const root = await useConfig();
    const file = put(temporaryDirectory(), "named.yaml", "app: scraper\n");
    chownSync(file, UID, UID);
    const { code } = await cliIn(root).run(`check --config ${file}`);
    expect(code).toBe(78);
  });
});

describe.runIf(isRoot)("as root, a config is read", () => {
  test("when it and all on its way are root's; a sticky directory is no way in", async () => {
    const root = await useConfig(SETTING);
    chmodSync(join(root, ".."), 0o1777);
    const { code, stdout } = await cliIn(root).run("check");
    expect([code, stdout]).toEqual([0, expect.stringContaining("config/config.json#/SECONDS (60 s)")]);
  });

  test("outside of an application that is somebody else's", async () => {
    const root = await useConfig();
    const file = put(temporaryDirectory(), "scraper.yaml", "app: scraper\n");
    cpSync(join(root, "safe-shutdown.yaml"), file);
    renameSync(join(root, "safe-shutdown.yaml"), join(root, "unused"));
    chownSync(root, UID, UID);
    expect((await cliIn(root).run(`check --config ${file}`)).code).toBe(0);
  });
});

test.skipIf(!plainUserAvailable() || !isRoot)("a plain user reads what others can change", () => {
  const root = temporaryDirectory();
  openToAll(root);
  writeFileSync(join(root, "safe-shutdown.yaml"), "app: scraper\n");
  chmodSync(join(root, "safe-shutdown.yaml"), 0o666);
  const answer = asPlainUser(
    `const { loadConfig } = await import(dist + "config/load.js");
    answer((await loadConfig({ root: facts.root, host: "h1", env: {} })).config.app);`,
    { root },
  );
  expect(answer).toBe("scraper");
});

test.runIf(isRoot)(
  "what was checked is what is read: another file that is open under its name is refused",
  () => {
    const root = temporaryDirectory();
    const descriptor = openSync(put(root, "a"), "r");
    onTestFinished(() => closeSync(descriptor));
    expect(() => requireTrust(put(root, "b"), descriptor)).toThrow("changed while it was read");
  },
);
