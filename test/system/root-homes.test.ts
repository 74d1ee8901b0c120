import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { peopleIn } from "../../src/system/people.ts";
import { resolveRoot } from "../../src/system/root.ts";
import { CLI } from "../support/cli.ts";
import { temporaryDirectory } from "../support/temp.ts";

const system = vi.hoisted(() => ({ home: "/nowhere", shell: "/bin/sh" }));

vi.mock("node:os", async (original) => {
  const real = await original<typeof import("node:os")>();
  return { ...real, userInfo: () => ({ ...real.userInfo(), homedir: system.home, shell: system.shell }) };
});

test("the home that the system knows is refused, whatever $HOME says", () => {
  Object.assign(system, { home: temporaryDirectory(), shell: "/bin/bash" });
  expect(() => resolveRoot(system.home)).toThrow("it is a home directory");
});

test.each(["/usr/sbin/nologin", "/sbin/nologin", "/bin/false"])(
  "where a service's account lives is the application's own directory (%s)",
  (shell) => {
    Object.assign(system, { home: temporaryDirectory(), shell });
    expect(resolveRoot(system.home)).toBe(system.home);
  },
);

test("people are those who may log in and are no accounts of the system", () => {
  const accounts = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash
scraper:x:999:999::/srv/scraper:/bin/sh
crawler:x:1002:1002::/srv/crawler:/usr/sbin/nologin
backup:x:1003:1003::/srv/backup:/bin/false
alice:x:1000:1000:Alice,,,:/export/home/alice:/bin/bash
bob:x:1001:1001::/srv/bob:
homeless:x:1004:1004:::/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
+@staff
# a word`;
  expect(peopleIn(accounts)).toEqual([
    { name: "alice", home: "/export/home/alice" },
    { name: "bob", home: "/srv/bob" },
  ]);
});

/** In a mount namespace of its own, in which these are the accounts of the host. */
const IN_OWN_MOUNTS = ["--mount", "--propagation", "private", "sh", "-ec"];
const BIND = 'mount --bind "$0" /etc/passwd';
const mayMount =
  spawnSync("unshare", [...IN_OWN_MOUNTS, BIND, "/etc/hostname"], { stdio: "ignore" }).status === 0;

describe.runIf(mayMount)("root is told", () => {
  const accounts = (home: string, shell: string) =>
    `root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/etc/passwd/bob:/bin/sh\nalice:x:1000:1000::${home}:${shell}\n`;

  function clean(root: string, passwd: string) {
    const file = join(temporaryDirectory(), "passwd");
    writeFileSync(file, passwd);
    const words = [process.execPath, CLI, "clean", "--dry-run", "--inline", "--root", root];
    const script = `${BIND}; exec "$@"`;
    const args = [...IN_OWN_MOUNTS, script, file, ...words];
    return spawnSync("unshare", args, { cwd: "/", encoding: "utf8", timeout: 20_000 });
  }

  test("that the home of somebody else is none of an application, wherever it lies", () => {
    const home = join(temporaryDirectory(), "export", "alice");
    mkdirSync(home, { recursive: true });
    const { status, stderr } = clean(home, accounts(home, "/bin/bash"));
    expect(stderr).toContain("it is a home directory, of alice");
    expect(status).toBe(4);
  });

  test("nothing of the kind below a home, nor where a service's account lives", () => {
    const home = temporaryDirectory();
    mkdirSync(join(home, "app"));
    expect(clean(join(home, "app"), accounts(home, "/bin/bash")).status).toBe(0);
    expect(clean(home, accounts(home, "/usr/sbin/nologin")).status).toBe(0);
  });
});
