import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs a command until it ends well; what it said on stderr. */
export async function run(
  [command = "", ...words]: readonly string[],
  cwd: string,
  onStart?: (pid: number) => void,
): Promise<string> {
  const child = spawn(command, words, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  if (child.pid !== undefined) onStart?.(child.pid);
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${words.join(" ")} ended with ${code}:\n${said.join("")}`);
  return said.join("");
}
