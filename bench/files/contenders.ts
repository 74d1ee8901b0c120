import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A way to clean the tree it is started in. */
export interface Contender {
  readonly what: string;
  readonly command: readonly string[];
}

const CLI = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
/** Logs that were last written 7 days ago or before, bytecode, and its directories. */
const ONE_PASS =
  "find . \\( -path './logs/*' -name '*.log.*' -mtime +6 -o -path '*/__pycache__/*' -o -name __pycache__ -o -name '*.pyc' \\) -delete";
/** As the replaced script had them. */
const THREE_PASSES = `find logs -name '*.log.*' -mtime +6 -delete
find . -type d -name __pycache__ -exec rm -rf {} +
find . -name '*.pyc' -delete`;

export const onePass: Contender = { what: "`find -delete`, one pass", command: ["sh", "-c", ONE_PASS] };

export const ours: Contender = {
  what: "**`safe-shutdown clean clean-temp-files`**, the whole command",
  command: [process.execPath, CLI, "clean", "clean-temp-files", "--inline", "--yes", "--quiet"],
};

export const script: Contender = {
  what: "the replaced script's three `find`/`rm` passes",
  command: ["sh", "-ec", THREE_PASSES],
};

const BARE_LOOP = fileURLToPath(new URL("./bare-loop.mjs", import.meta.url));
const CHECKED_LOOP = fileURLToPath(new URL("./checked-loop.mjs", import.meta.url));

/** What Node needs for the calls alone. */
export const bareNode = {
  once: {
    what: "Node alone: list, look once, unlink; no checks",
    command: [process.execPath, BARE_LOOP, "1"],
  },
  twice: inTwo("Node alone: the same with two looks, in two processes", `'${BARE_LOOP}' 2`),
  checked: inTwo(
    "Node alone, in two processes: what the safety rules ask for, in a plain loop",
    `'${CHECKED_LOOP}'`,
  ),
} satisfies Record<string, Contender>;

function inTwo(what: string, program: string): Contender {
  const loop = `for part in 0 1; do '${process.execPath}' ${program} $part 2 & done; wait`;
  return { what, command: ["sh", "-ec", loop] };
}

/** Other tools, as far as they are on this machine; `scratch` is a directory for what they need. */
export function peers(scratch: string): Contender[] {
  return [...fd(), ...systemdTmpfiles(scratch), ...fromNpm(scratch)];
}

function fd(): Contender[] {
  const name = ["fd", "fdfind"].find((one) => runs(one, "--version"));
  if (name === undefined) return missing("fd");
  const passes = `${name} -u -t f --changed-before 7d -g '*.log.*' logs -X rm
${name} -u -t d -g __pycache__ . -X rm -r
${name} -u -t f -e pyc . -X rm`;
  return [{ what: "`fd -X rm`, three passes", command: ["sh", "-ec", passes] }];
}

/** Its globs know no \`**\`, so the depth of the tree is written down. */
function systemdTmpfiles(scratch: string): Contender[] {
  if (!runs("systemd-tmpfiles", "--version")) return missing("systemd-tmpfiles");
  const lines = `e ROOT/logs - - - mM:7d
x ROOT/logs/*/*/app.log
R ROOT/src/*/*/__pycache__
r ROOT/src/*/*/*.pyc`;
  const file = join(scratch, "tmpfiles.conf");
  const prepare = `printf '%s\\n' "${lines}" | sed "s#ROOT#$PWD#" > ${file}`;
  return [
    {
      what: "`systemd-tmpfiles --clean --remove`",
      command: ["sh", "-ec", `${prepare}; systemd-tmpfiles --clean --remove ${file}`],
    },
  ];
}

/** Neither can tell a file's age. */
function fromNpm(scratch: string): Contender[] {
  const globs = ["logs/**/*.log.*", "**/__pycache__", "**/*.pyc"];
  writeFileSync(join(scratch, "package.json"), '{ "private": true, "type": "module" }');
  const install = spawnSync("npm", ["install", "--no-audit", "--no-fund", "rimraf@6", "del@8"], {
    cwd: scratch,
  });
  if (install.status !== 0) return missing("rimraf and del (npm)");
  const program = join(scratch, "del.js");
  writeFileSync(
    program,
    `import { deleteAsync } from "del"; await deleteAsync(${JSON.stringify(globs)}, { dot: true });`,
  );
  return [
    {
      what: "`rimraf --glob`",
      command: [join(scratch, "node_modules/.bin/rimraf"), "--glob", ...globs],
    },
    { what: "`del` with globs", command: [process.execPath, program] },
  ];
}

function missing(what: string): Contender[] {
  console.error(`${what}: not on this machine, left out`);
  return [];
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
