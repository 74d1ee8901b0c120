const UNIT_BYTES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;

/** The bytes of a size such as `512B`, `1.5kB`, `10 MB`, `2GB` (powers of 1,000); `undefined` for anything else. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,15}(?:\.\d{1,9})?) ?(B|kB|MB|GB|TB)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const bytes = Math.round(Number(amount) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES]);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** A size as it can be written in a config: the largest unit that leaves a whole number. */
export function formatExactSize(bytes: number): string {
  for (const unit of ["TB", "GB", "MB", "kB"] as const) {
    if (bytes % UNIT_BYTES[unit] === 0) return `${bytes / UNIT_BYTES[unit]}${unit}`;
  }
  return `${bytes}B`;
}
