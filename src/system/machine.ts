import { readTextFile } from "./text-file.ts";

/**
 * What tells this machine from others of the same name: the kernel's id of its current boot (proc(5),
 * `/proc/sys/kernel/random/boot_id`), which unlike `/etc/machine-id` is never copied with an image. Empty where there
 * is none.
 */
export function machineId(): string {
  return readTextFile("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}
