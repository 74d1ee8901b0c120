/** One thing to time; `act` does it once. */
export interface Subject {
  readonly what: string;
  readonly act: () => Promise<void>;
  /** Comes before each `act`, and is not timed. */
  readonly prepare?: () => Promise<void>;
  /** Comes after each `act`, and is not timed: what is wrong with what it did. */
  readonly inspect?: () => Promise<string | undefined>;
  /** At most so many times the yardstick; absent: measured, not judged. */
  readonly bound?: number;
}

/** What came of timing a subject. */
export interface Measurement {
  readonly what: string;
  readonly medianMs: number;
  /** From the first to the third quartile. */
  readonly spreadMs: readonly [number, number];
  /** The median, over all rounds, of its time divided by the yardstick's of the same round; 1 for the yardstick. */
  readonly ratio: number;
  readonly bound: number | undefined;
  /** What `inspect` found wrong, the last time. */
  readonly remark?: string;
}

/**
 * Times the yardstick and the subjects in turn, round by round, so that whatever else the machine does hits them
 * alike. The first round is not counted.
 */
export async function compare(
  yardstick: Subject,
  subjects: readonly Subject[],
  rounds: number,
): Promise<Measurement[]> {
  const all = [yardstick, ...subjects];
  const samples: number[][] = all.map(() => []);
  const remarks = new Map<Subject, string>();
  for (let round = 0; round <= rounds; round++) {
    for (const [index, subject] of all.entries()) {
      const { act, prepare, inspect } = subject;
      await prepare?.();
      const startedAt = performance.now();
      await act();
      if (round > 0) samples[index]?.push(performance.now() - startedAt);
      const remark = await inspect?.();
      if (remark !== undefined) remarks.set(subject, remark);
    }
  }
  const [unit = []] = samples;
  return all.map((subject, index) => {
    const { what, bound } = subject;
    const remark = remarks.get(subject);
    const times = samples[index] ?? [];
    const ratios = times.map((time, round) => time / (unit[round] ?? Number.NaN));
    return {
      what,
      medianMs: quantile(times, 0.5),
      spreadMs: [quantile(times, 0.25), quantile(times, 0.75)],
      ratio: quantile(ratios, 0.5),
      bound,
      ...(remark !== undefined && { remark }),
    };
  });
}

export function isBroken({ ratio, bound }: Measurement): boolean {
  return bound !== undefined && !(ratio <= bound);
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)] ?? Number.NaN;
}
