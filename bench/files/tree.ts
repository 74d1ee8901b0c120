import { closeSync, mkdirSync, openSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An application's tree: rotated logs, bytecode beside its source and apart from it, and data that is preserved. */
export interface Tree {
  readonly files: number;
  /** The paths that must be left when all is cleaned. */
  readonly kept: ReadonlySet<string>;
}

const CONFIG = `app: bench
temp:
  - { files: "logs/**/*.log.*", olderThan: 7d }
  - { directories: "**/__pycache__" }
  - { files: "**/*.pyc" }
`;
const DAY_S = 86_400;

/** Makes the tree: 208 files for each unit of `size`, 100 of which are to go. */
export function makeTree(root: string, size: number): Tree {
  const kept = new Set<string>();
  let files = 0;
  const old = Date.now() / 1_000 - 10 * DAY_S;
  const put = (path: string, goes = false, isOld = false) => {
    const full = join(root, path);
    closeSync(openSync(full, "w"));
    if (isOld) utimesSync(full, old, old);
    files += 1;
    if (!goes) kept.add(path);
  };
  const directories = (prefix: string, perUnit: number, fill: (directory: string) => void) => {
    for (let index = 0; index < size * perUnit; index += 1) {
      const directory = `${prefix}${index % 50}/d${index}`;
      mkdirSync(join(root, directory), { recursive: true });
      fill(directory);
    }
  };

  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "safe-shutdown.yaml"), CONFIG);
  directories("logs/s", 0.04, (directory) => {
    for (let index = 0; index < 1_000; index += 1) put(`${directory}/app.log.${index}`, true, true);
    for (let index = 0; index < 200; index += 1) put(`${directory}/young.log.${index}`);
    put(`${directory}/app.log`, false, true);
  });
  directories("src/p", 2.5, (directory) => {
    mkdirSync(join(root, directory, "__pycache__"));
    for (let index = 0; index < 20; index += 1) put(`${directory}/m${index}.py`);
    for (let index = 0; index < 16; index += 1)
      put(`${directory}/__pycache__/m${index}.cpython-311.pyc`, true);
    for (let index = 0; index < 8; index += 1) put(`${directory}/left${index}.pyc`, true);
  });
  directories("data/y", 0.25, (directory) => {
    for (let index = 0; index < 200; index += 1) put(`${directory}/r${index}.json`);
  });
  return { files, kept };
}

/** How the files that are left differ from those that should be; `undefined`: not at all. */
export function differenceTo({ kept }: Tree, root: string): string | undefined {
  const left = new Set<string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1);
    const isOurs = path === "safe-shutdown.yaml" || path.startsWith(".safe-shutdown");
    if (!isOurs && (!entry.isDirectory() || entry.name === "__pycache__")) left.add(path);
  }
  const tooFew = [...kept].filter((path) => !left.has(path)).length;
  const tooMany = [...left].filter((path) => !kept.has(path)).length;
  if (tooFew + tooMany === 0) return undefined;
  return [tooFew > 0 && `removes ${tooFew} files too many`, tooMany > 0 && `leaves ${tooMany}`]
    .filter(Boolean)
    .join(", ");
}
