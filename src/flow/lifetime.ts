import type { FlowName } from "../../jobs/flows.ts";
import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import type { Clock } from "../system/clock.ts";
import type { Catalog } from "./catalog.ts";

/** A request that nobody took up for this long is refused: the world it was meant for is gone. */
const REQUEST_VALID_MS = 10 * 60_000;

/** How far a run has come. */
export interface RunAge {
  readonly flow: FlowName;
  /** When it was asked for; its jobs in the queue have the time of their run. */
  readonly askedAtMs: number;
  /** Whether a worker has taken it up. */
  readonly hasBegun: boolean;
}

/** Where it is judged. */
export interface Place {
  readonly config: Pick<Config, "stageDeadlineMs">;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

/**
 * Why nothing of a run is begun any more: nobody took it up in time, or all its stages have had their time.
 * `undefined` while it is in time.
 */
export function tooLate(
  { flow, askedAtMs, hasBegun }: RunAge,
  { config, catalog, clock }: Place,
): string | undefined {
  const ageMs = clock.now() - askedAtMs;
  if (Number.isNaN(ageMs)) return "it was asked for at a time that is none";
  const stages = hasBegun ? catalog.flows[flow].length : 0;
  if (ageMs <= REQUEST_VALID_MS + stages * config.stageDeadlineMs) return undefined;
  const age = formatDuration(ageMs);
  return hasBegun
    ? `it was asked for ${age} ago: too late`
    : `requested ${age} ago, and no worker was there to run it`;
}
