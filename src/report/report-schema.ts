import { z } from "zod";
import type { JobResult, Progress } from "./job-reporter.ts";
import type { RunReport } from "./report.ts";

/*
 * A report as it comes back from Redis, where others may write too. What is not of this shape is no report. Names are
 * bound to what names can be; free text is escaped where it is shown.
 */

const name = z.string().regex(/^[A-Za-z0-9._-]{1,255}$/);
const amount = z.number().nonnegative();
const outcome = z.enum(["done", "planned", "kept", "changed", "failed"]);

const scan = z.object({
  target: z.string(),
  ...{ keys: amount, matched: amount, removed: amount, bytes: amount, pages: amount, worstPageMs: amount },
  ...{ durationMs: amount, keysPerSecond: amount, note: z.string().optional() },
});

const stray = { stray: z.literal(true).optional(), command: z.string().optional() };

const job = z.object({
  job: name,
  host: name,
  status: z.enum(["done", "partial", "failed", "skipped", "missing"]),
  reason: z.string().optional(),
  durationMs: amount,
  totals: z.object({
    ...{ done: amount, planned: amount, kept: amount, changed: amount, failed: amount },
    bytes: amount,
  }),
  items: z.array(z.object({ target: z.string(), outcome, reason: z.string().optional(), ...stray })),
  truncated: z.boolean(),
  scans: z.array(scan).optional(),
});

const hostState = {
  redis: z.object({
    reachable: z.boolean(),
    usedMemoryBytes: amount.optional(),
    reason: z.string().optional(),
  }),
  locks: z.array(z.object({ file: z.string(), ageMs: z.number().nullable(), holder: z.string() })),
  session: z
    .object({
      file: z.string(),
      present: z.boolean(),
      ageDays: z.number().optional(),
      advice: z.string().optional(),
    })
    .nullable(),
  disk: z.object({ freeBytes: amount, totalBytes: amount }),
};

const system = z.object({
  services: z.array(
    z.object({
      name,
      running: z.array(z.object({ pid: z.int(), host: name.optional(), ...stray })),
      stoppedOn: z.array(name).optional(),
      unknownOn: z.array(name).optional(),
    }),
  ),
  ...hostState,
  host: name.optional(),
  others: z.array(z.object({ host: name, ...hostState })).optional(),
});

const runReport = z.object({
  version: z.literal(1),
  run: name,
  flow: name,
  mode: z.enum(["plan", "apply"]),
  engine: z.enum(["queue", "inline"]),
  app: name,
  verdict: z.enum(["done", "partial", "failed", "refused"]),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  hosts: z.array(name),
  unreachable: z.array(name),
  jobs: z.array(job),
  system: system.nullable(),
  nextSteps: z.array(z.string()),
});

const jobResult = z.object({ report: job, system: system.optional(), refused: z.literal(true).optional() });

/** What a job handed over, or `undefined` when it is something else. */
export function parseJobResult(value: unknown): JobResult | undefined {
  const parsed = jobResult.safeParse(value);
  return parsed.success ? (parsed.data as JobResult) : undefined;
}

const progress = z.object({ totals: job.shape.totals, waitingFor: z.string().optional() });

/** How far a job says it is, or `undefined` when the text is something else. */
export function parseProgress(text: string | null | undefined): Progress | undefined {
  try {
    const parsed = progress.safeParse(JSON.parse(text ?? ""));
    return parsed.success ? (parsed.data as Progress) : undefined;
  } catch {
    return undefined; // not even JSON
  }
}

/** The report in a text from Redis, or `undefined` when it holds none. */
export function parseReport(text: string): RunReport | undefined {
  try {
    const parsed = runReport.safeParse(JSON.parse(text));
    return parsed.success ? (parsed.data as RunReport) : undefined;
  } catch {
    return undefined; // not even JSON
  }
}
