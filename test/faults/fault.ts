import { type TestContext, test } from "vitest";
import { inTest } from "../support/finish.ts";

/** Each wait has a limit of its own, and says what for; this is for what nobody has thought of. */
const CASE_MS = 900_000;

/** One case of the suite, beside others. What it measures goes into its `meta`, where `npm run soak` finds it. */
export function fault(name: string, body: (context: TestContext) => Promise<void>): void {
  test.concurrent(name, { timeout: CASE_MS }, (context) => inTest(context, () => body(context)));
}
