import { existsSync, readFileSync } from "node:fs";

const PRESSURE = "/proc/pressure/cpu";

/** For how long, since the machine is up, some process had to wait for a processor (Linux; elsewhere 0). */
export function waitedForProcessorMs(): number {
  if (!existsSync(PRESSURE)) return 0;
  const [, micros] = readFileSync(PRESSURE, "utf8").match(/^some.*total=(\d+)/m) ?? [];
  return Number(micros ?? 0) / 1_000;
}
