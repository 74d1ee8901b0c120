import { setTimeout as delay } from "node:timers/promises";

/** Set by `npm run soak`: how long a fault may be put off at most, so that it strikes where nobody thought of. */
const LATEST_MS = Number(process.env.SAFE_SHUTDOWN_SOAK_DELAY_MS ?? 0);

/** A random time before a fault strikes; none outside of a soak. Answers whether there was one. */
export async function putOff(meanwhile: () => void): Promise<boolean> {
  if (LATEST_MS === 0 || Math.random() < 0.5) return false;
  meanwhile();
  await delay(Math.random() * LATEST_MS);
  return true;
}
