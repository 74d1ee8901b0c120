import { isCancelled } from "./cancel.ts";
import { HEARTBEAT_MS, hostsSeenWithin, liveHosts } from "./hosts.ts";
import type { Post } from "./post.ts";

/*
 * Heartbeats lapse too while Redis is away or refuses, and nobody is dead then. Whoever goes on first, also one that knows
 * nothing of it because it starts only now, must not give up those who beat again a moment later.
 */

/** A run lives no longer with the default deadlines; who was seen last before that is dead. */
const LATELY_MS = 3_600_000;
/** Within two beats whoever is alive is heard again. */
const PATIENCE_MS = 2 * HEARTBEAT_MS;
const STEP_MS = 500;

/**
 * Which of a run's hosts no worker is there for. Answers at once unless one of them was seen in the last hour and did
 * not sign off: that one has 10 s to be heard again, or until the run is cancelled.
 */
export async function absentHosts(
  { queues, config, clock, log }: Post,
  run: string,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const untilMs = clock.elapsed() + PATIENCE_MS;
  for (let isFirst = true; ; isFirst = false) {
    // this worker runs this: its host is there
    const alive = new Set([...(await liveHosts(queues, clock.now())), config.host]);
    const absent = wanted.filter((host) => !alive.has(host));
    if (absent.length === 0 || clock.elapsed() >= untilMs) return absent;
    const seen = await hostsSeenWithin(LATELY_MS, queues, clock.now());
    const hoped = absent.filter((host) => seen.has(host));
    if (hoped.length === 0 || (await isCancelled(queues, run))) return absent;
    if (isFirst)
      log.info(
        { run, hosts: hoped, waitMs: PATIENCE_MS },
        "no heartbeat, though lately there was one: waiting",
      );
    await clock.sleep(STEP_MS);
  }
}
