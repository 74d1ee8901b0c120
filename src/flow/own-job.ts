import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { Job } from "../../jobs/job.ts";
import { text } from "../config/lengths.ts";
import { messageOf } from "../errors.ts";
import { readTrustedFile, realPathOf } from "../system/text-file.ts";

const JOB = /^[a-z][a-z0-9-]{0,62}$/;

/** What `defineJob` makes; a module that cannot import this package may export the same by hand. */
const jobSchema = z.object({
  name: z.string().regex(JOB, { error: "expected letters, digits and -, starting with a letter" }),
  summary: text,
  runsOn: z.enum(["every host", "one host"]),
  run: z.custom<Job["run"]>((value) => typeof value === "function", { error: "expected a function" }),
});

/**
 * The job that a module of the application exports as its default. The module is code of the application, and runs
 * with the rights of this process. Throws when it lies outside the root, cannot be imported, or exports no job.
 */
export async function importOwnJob(root: string, module: string): Promise<Job> {
  const path = realPathOf(join(root, module));
  if (!path.startsWith(root + sep)) throw new Error(`expected a module inside the root, got ${path}`);
  readTrustedFile(path); // what root imports, nobody else may change
  const { data, error } = jobSchema.safeParse((await importModule(path, module)).default);
  if (error === undefined) return data;
  const problems = error.issues.map(
    (issue) => `${issue.path.join(".") || "default export"}: ${issue.message}`,
  );
  throw new Error(
    `expected ${module} to export a job as its default (see defineJob): ${problems.join("; ")}`,
  );
}

async function importModule(path: string, module: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    throw new Error(`expected a module that can be imported, got ${module}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
