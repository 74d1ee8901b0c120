import { messageOf } from "../errors.ts";
import type { Effect, Mode } from "../report/report.ts";

/**
 * The hand of a job that acts on something the other hands do not know, such as another system: in plan mode it
 * answers `planned` and does nothing. What `effect` throws has failed; it never throws itself.
 */
export type Act = (effect: () => unknown) => Promise<Effect>;

export function actIn(mode: Mode): Act {
  return async (effect) => {
    if (mode === "plan") return { outcome: "planned", bytes: 0 };
    try {
      await effect();
      return { outcome: "done", bytes: 0 };
    } catch (error) {
      return { outcome: "failed", reason: messageOf(error) };
    }
  };
}
