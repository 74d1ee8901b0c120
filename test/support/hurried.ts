import { type Clock, systemClock } from "../../src/system/clock.ts";

/** A clock that goes sixty times as fast: two minutes of patience are over in two seconds. */
export const hurried: Clock = {
  ...systemClock,
  elapsed: () => systemClock.elapsed() * 60,
  sleep: (ms, signal) => systemClock.sleep(ms / 60, signal),
};
