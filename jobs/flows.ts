import type { JobName } from "./registry.ts";

/** The jobs of a stage run together; the stages of a flow one after another. */
export type Stage = readonly JobName[];

export const flows = {
  shutdown: [["stop-services"], ["clean-session-locks", "prune-redis", "clean-temp-files"], ["check-system"]],
  stop: [["stop-services"], ["clean-session-locks"], ["check-system"]],
  clean: [["clean-session-locks", "prune-redis", "clean-temp-files"]],
} as const satisfies Record<string, readonly Stage[]>;

export type FlowName = keyof typeof flows;

export const flowNames = Object.keys(flows) as FlowName[];
