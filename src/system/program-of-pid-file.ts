import { join } from "node:path";
import { lookAt } from "./file-entry.ts";
import { identify, PID_FILE_READ_BYTES } from "./pid-file.ts";
import { readUntouched } from "./read-untouched.ts";
import { isSafeShutdown } from "./strays.ts";
import { Users } from "./users.ts";

/**
 * The command line of the running process that a pid file of this root names, by all that a shutdown asks for but the
 * expression, which is not written yet. A hint: whatever is in the way, the answer is `undefined`.
 */
export function programOfPidFile(root: string, path: string): string | undefined {
  try {
    const full = join(root, path);
    const file = lookAt(full, path);
    if (file === undefined) return undefined;
    const finding = identify(
      file,
      readUntouched(full, PID_FILE_READ_BYTES, () => true),
      {
        ...{ root, matches: [/\S/], isOfAnyService: false },
        ...{ user: undefined, users: new Users(), insideContainers: () => [] },
      },
    );
    if (finding.state !== "running" || isSafeShutdown(finding.process.commandLine)) return undefined;
    return finding.process.commandLine;
  } catch {
    return undefined;
  }
}
