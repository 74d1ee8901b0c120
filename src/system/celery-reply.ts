import { z } from "zod";

/*
 * What Celery's nodes answer through Kombu's mailbox. Whoever can write to the broker can answer: what has another form
 * is left out.
 */

/** The tasks a worker is executing. */
export interface RunningTasks {
  readonly running: number;
  /** Of these: not acknowledged yet, so Celery delivers them again. */
  readonly unacknowledged: number;
}

/** A node's answer to one of the two questions. */
export type Answer =
  | { readonly node: string; readonly to: "stats"; readonly pid: number }
  | { readonly node: string; readonly to: "active"; readonly tasks: RunningTasks };

const replySchema = z.object({
  body: z.string(),
  headers: z.object({ ticket: z.enum(["stats", "active"]) }),
});
const nodesSchema = z.record(z.string(), z.unknown());
const statsSchema = z.object({ pid: z.int() });
const activeSchema = z.array(z.object({ acknowledged: z.boolean().nullish() }));

/** The answers in one reply; the ticket tells which question it is about. */
export function parseReply(text: string): Answer[] {
  const reply = replySchema.safeParse(jsonOf(text)).data;
  if (reply === undefined) return [];
  const nodes = nodesSchema.safeParse(jsonOf(Buffer.from(reply.body, "base64").toString("utf8"))).data ?? {};
  return Object.entries(nodes).flatMap<Answer>(([node, value]) => {
    if (reply.headers.ticket === "stats") {
      const stats = statsSchema.safeParse(value).data;
      return stats === undefined ? [] : [{ node, to: "stats", pid: stats.pid }];
    }
    const active = activeSchema.safeParse(value).data;
    if (active === undefined) return [];
    const unacknowledged = active.filter(({ acknowledged }) => acknowledged !== true).length;
    return [{ node, to: "active", tasks: { running: active.length, unacknowledged } }];
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
