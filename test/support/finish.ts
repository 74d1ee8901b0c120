import { AsyncLocalStorage } from "node:async_hooks";
import { onTestFailed, onTestFinished, type TestContext } from "vitest";

/*
 * Vitest knows one current test. Where several run at the same time, what a test has started must be ended with
 * that test: so each carries its own context along with everything it awaits.
 */

const contexts = new AsyncLocalStorage<TestContext>();

/** Runs the body of a concurrent test: whatever is started in it ends with it. */
export function inTest<T>(context: TestContext, body: () => Promise<T>): Promise<T> {
  return contexts.run(context, body);
}

/** Called when the test has finished that this is called in, the last first; in a concurrent one through `inTest`. */
export function onFinished(end: () => unknown): void {
  const finish = async () => {
    await end();
  };
  const context = contexts.getStore();
  if (context === undefined) onTestFinished(finish);
  else context.onTestFinished(finish);
}

/** Ends the concurrent test that this is called in, which could not show what it is there for; its `meta` says why. */
export function giveUp(why: string): never {
  const context = contexts.getStore();
  if (context === undefined) throw new Error(`expected to be in a concurrent test: ${why}`);
  Object.assign(context.task.meta, { gaveUp: why });
  return context.skip(why);
}

/** Called, with the name of the test, before anything of it is ended, when it has failed. */
export function onFailed(tell: (test: string) => void): void {
  const context = contexts.getStore();
  const name = ({ fullTestName = "" }) => fullTestName;
  if (context === undefined) onTestFailed(({ task }) => tell(name(task)));
  else context.onTestFailed(() => tell(name(context.task)));
}
