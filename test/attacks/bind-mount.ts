import { spawn, spawnSync } from "node:child_process";
import { type How, type Race, race } from "./files/race.ts";

/** Only root outside a container may mount. */
export function mayRun(): boolean {
  return spawnSync("unshare", ["--mount", "mount", "--bind", "/tmp", "/tmp"]).status === 0;
}

const SCRIPT = `
told=; trap 'told=1' TERM; swaps=0
echo ready
while [ -z "$told" ]; do
  mount --bind "$1" "$0"; umount -l "$0"; swaps=$((swaps + 1))
done
echo "{\\"swaps\\": $swaps, \\"lost\\": 0}"`;

/** A directory outside is mounted on that of the victims, on the same file system, and unmounted, all the time. */
export function run({ seconds, how }: { seconds: number; how?: How }): Promise<Race> {
  return race("bind mount", { seconds, how }, ({ victims, outside }) =>
    spawn("sh", ["-c", SCRIPT, victims, outside], { stdio: ["ignore", "pipe", "inherit"], detached: true }),
  );
}
