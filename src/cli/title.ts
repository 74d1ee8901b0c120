import { redactText } from "../config/redact.ts";

/**
 * Takes passwords out of the command line that others see in `ps` and `/proc`: what was said there is said with `***` in
 * their place. Nothing happens where there are none. What comes of it is cut where the old one ended.
 */
export function hideSecretsInTitle(): void {
  const words = [process.argv0, ...process.execArgv, ...process.argv.slice(1)];
  const shown = words.map(redactText);
  if (shown.some((word, index) => word !== words[index])) process.title = shown.join(" ");
}
