/** Milliseconds of each unit a duration may be written in. */
export const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|[smhd])/g;

/** Milliseconds of `90s`, `5m`, `7d`, `1h30m`; `undefined` for anything else, also for a bare number. */
export function parseDuration(text: string): number | undefined {
  const compact = text.replaceAll(" ", "");
  if (!WHOLE.test(compact)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of compact.matchAll(PART)) totalMs += Number(amount) * UNIT_MS[unit as Unit];
  return Number.isSafeInteger(Math.round(totalMs)) ? Math.round(totalMs) : undefined;
}

/** The exact text of a duration, as a config file would write it: `90000` is `1m30s`. */
export function formatExactDuration(ms: number): string {
  if (ms === 0) return "0s";
  let restMs = ms;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"] as const) {
    const amount = Math.floor(restMs / UNIT_MS[unit]);
    if (amount > 0) text += `${amount}${unit}`;
    restMs -= amount * UNIT_MS[unit];
  }
  return text;
}

/** A duration as one would say it, rounded down to its largest one or two units: `4m`, `3d 2h`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1_000) return `${Math.floor(ms)}ms`;
  const parts: string[] = [];
  let restMs = ms;
  for (const unit of ["d", "h", "m", "s"] as const) {
    const amount = Math.floor(restMs / UNIT_MS[unit]);
    restMs -= amount * UNIT_MS[unit];
    if (amount > 0) parts.push(`${amount}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}
