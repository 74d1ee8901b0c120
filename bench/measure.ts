/** One thing to time; `act` does it once. */
export interface Subject {
  readonly what: string;
  readonly act: () => Promise<void>;
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
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { act }] of all.entries()) {
      const startedAt = performance.now();
      await act();
      if (round > 0) samples[index]?.push(performance.now() - startedAt);
    }
  }
  const [unit = []] = samples;
  return all.map(({ what, bound }, index) => {
    const times = samples[index] ?? [];
    const ratios = times.map((time, round) => time / (unit[round] ?? Number.NaN));
    return {
      what,
      medianMs: quantile(times, 0.5),
      spreadMs: [quantile(times, 0.25), quantile(times, 0.75)],
      ratio: quantile(ratios, 0.5),
      bound,
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
