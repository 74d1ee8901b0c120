/**
 * What several sources yield, as it comes; a source is asked for its next value when the last one was taken. When one throws, the others end
 * after the value they are at, which is still yielded, and the error is thrown then.
 */
export async function* inParallel<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const next = async (source: AsyncGenerator<T>) => ({ source, result: await source.next() });
  const pending = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (pending.size > 0) {
      const { source, result } = await Promise.race(pending.values());
      pending.delete(source);
      if (result.done === true) continue;
      yield result.value;
      pending.set(source, next(source));
    }
  } catch (error) {
    for (const outcome of await Promise.allSettled(pending.values())) {
      if (outcome.status === "fulfilled" && outcome.value.result.done !== true)
        yield outcome.value.result.value;
    }
    throw error;
  } finally {
    await Promise.allSettled(pending.values());
    await Promise.allSettled(sources.map((source) => source.return(undefined)));
  }
}
