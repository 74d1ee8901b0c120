import { z } from "zod";
import { formatExactDuration, parseDuration } from "./duration.ts";
import { formatExactSize, parseSize } from "./size.ts";

/* Quantities as a config file writes them, with their units. */

/** What a duration is, for a message that says what was expected. */
export const DURATION = 'expected a duration such as "90s", "5m", "7d" or "1h30m"';
/** Milliseconds. */
export const duration = z
  .codec(z.string({ error: DURATION }), z.number(), {
    decode: (text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined) return ms;
      context.issues.push({ code: "custom", input: text, message: DURATION });
      return z.NEVER;
    },
    encode: formatExactDuration,
  })
  .meta({ description: "A duration: 90s, 5m, 7d, 1h30m.", examples: ["90s", "5m", "7d", "1h30m"] });

const SIZE = 'expected a size such as "500MB" or "2GB" (B, kB, MB, GB, TB)';
/** Bytes. */
export const size = z
  .codec(z.string({ error: SIZE }), z.number(), {
    decode: (text, context) => {
      const bytes = parseSize(text);
      if (bytes !== undefined) return bytes;
      context.issues.push({ code: "custom", input: text, message: SIZE });
      return z.NEVER;
    },
    encode: formatExactSize,
  })
  .meta({ description: "A size: 500MB, 2GB; powers of 1,000.", examples: ["500MB", "2GB"] });

const SHARE = 'expected a share such as "50%", of 1% to 100%';
/** Percent. */
export const share = z
  .codec(z.string({ error: SHARE }), z.number(), {
    decode: (text, context) => {
      const percent = Number(/^(\d{1,3})\s*%$/.exec(text)?.[1]);
      if (percent >= 1 && percent <= 100) return percent;
      context.issues.push({ code: "custom", input: text, message: SHARE });
      return z.NEVER;
    },
    encode: (percent) => `${percent}%`,
  })
  .meta({ description: "A share of the candidates of a rule: 50%.", examples: ["50%", "100%"] });

/** The share of one rule. */
export const ownShare = share.optional().meta({ description: "Instead of limits.share, for this rule." });
