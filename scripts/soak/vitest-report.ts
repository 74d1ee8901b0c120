import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
          meta: z.object({ recoveryMs: z.number().optional(), gaveUp: z.string().optional() }).nullish(),
        }),
      ),
    }),
  ),
});

/** What became of one file of tests. */
export type FileResult = z.output<typeof reportSchema>["testResults"][number];
/** What became of one test. */
export type TestResult = FileResult["assertionResults"][number];

/** What `vitest --reporter=json` has written, by files; `undefined`: it ended before it could. */
export function readVitestReport(file: string): readonly FileResult[] | undefined {
  if (!existsSync(file)) return undefined;
  return reportSchema.parse(JSON.parse(readFileSync(file, "utf8"))).testResults;
}
