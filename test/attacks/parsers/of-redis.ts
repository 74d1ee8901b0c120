import { UnrecoverableError } from "bullmq";
import fc from "fast-check";
import type { z } from "zod";
import { deadlineSchema } from "../../../src/flow/deadline.ts";
import { requestSchema, taskSchema } from "../../../src/flow/intent.ts";
import { parseOrRefuse } from "../../../src/flow/post.ts";
import { parseJobResult, parseProgress, parseReport } from "../../../src/report/report-schema.ts";
import { parseReply } from "../../../src/system/celery-reply.ts";
import { parseLines } from "../../../src/system/manifest-line.ts";
import { equal, mutationsOf, quickly } from "./inputs.ts";
import * as reference from "./references.ts";
import { JOB_DATA, STORED } from "./samples.ts";
import { changesOf, nothingPolluted } from "./values.ts";

/* What others may have written into Redis, and into a manifest: data of jobs, reports, answers. */

/** Data is taken exactly when the reference takes it; else it is refused, in words that are not too many. */
function judged(schema: z.ZodType, samples: readonly unknown[], isRight: (data: unknown) => boolean) {
  return fc.property(changesOf(samples), (text) => {
    const data: unknown = JSON.parse(text);
    const isTaken = quickly(() => taken(schema, data), undefined);
    nothingPolluted();
    equal({ isTaken }, { isTaken: isRight(data) });
  });
}

function taken(schema: z.ZodType, data: unknown): boolean {
  try {
    parseOrRefuse(schema, data);
    return true;
  } catch (error) {
    if (!(error instanceof UnrecoverableError)) throw error;
    equal(error.message.startsWith("refused: ") && error.message.length <= 520, true);
    return false;
  }
}

/** Answers, whatever the text is. */
function answered(parse: (text: string) => unknown, samples: readonly unknown[]) {
  const texts = mutationsOf(samples.map((sample) => JSON.stringify(sample))).map((bytes) => bytes.toString());
  return fc.property(fc.oneof(changesOf(samples), texts), (text) => {
    quickly(parse, text);
    nothingPolluted();
  });
}

export const CHECKS: Record<string, fc.IRawProperty<unknown, boolean>> = {
  "the data of a run": judged(requestSchema, JOB_DATA.requests, reference.isRequest),
  "the data of a job": judged(taskSchema, JOB_DATA.tasks, reference.isTask),
  "the data of a deadline": judged(deadlineSchema, JOB_DATA.deadlines, reference.isDeadline),
  "a report": answered(parseReport, STORED.reports),
  "a job's result": answered((text) => parseJobResult(jsonOf(text)), STORED.results),
  "a job's progress": answered(parseProgress, STORED.progresses),
  "an answer of Celery": fc.property(
    changesOf(STORED.celery),
    fc.constantFrom("stats", "active", "x"),
    (value, ticket) => {
      const body = Buffer.from(value).toString("base64");
      const answers = quickly(parseReply, JSON.stringify({ body, headers: { ticket } }));
      nothingPolluted();
      for (const answer of answers) {
        equal(answer.to, ticket);
        if (answer.to === "stats") equal(Number.isInteger(answer.pid), true);
        else equal(answer.tasks.unacknowledged <= answer.tasks.running, true);
      }
    },
  ),
  "a manifest": fc.property(fc.array(changesOf(STORED.manifests), { maxLength: 3 }), (texts) => {
    const { lines, torn } = quickly(parseLines, texts.join("\n"));
    nothingPolluted();
    equal(lines.length + torn, texts.length);
    for (const { path } of lines)
      equal(
        path !== "" && !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0"),
        true,
      );
  }),
};

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
