import type { Config } from "../config/config.ts";

/** A request that nobody took up for this long is refused: the world it was meant for is gone. */
export const REQUEST_VALID_MS = 10 * 60_000;

/** After this, nothing of a run is begun any more: its three stages have had their time. */
export function lifetimeOf({ stageDeadlineMs }: Pick<Config, "stageDeadlineMs">): number {
  return REQUEST_VALID_MS + 3 * stageDeadlineMs;
}
