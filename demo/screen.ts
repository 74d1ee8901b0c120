import pc from "picocolors";
import type { Claim } from "./proof.ts";

const colours = pc.createColors(Boolean(process.stdout.isTTY) && !process.env.NO_COLOR);

/** What the demo says for itself; the program's own output stands between. */
export const screen = {
  title(text: string, lines: readonly string[]): void {
    say(`\n${colours.bold(text)}\n${lines.map((line) => colours.dim(line)).join("\n")}`);
  },

  /** One sentence on what to watch, then the command as one would type it. */
  prompt(watch: string, command: string): void {
    say(`\n${colours.cyan(`▍ ${watch}`)}\n${colours.green("$")} ${colours.bold(command)}\n`);
  },

  claims(heading: string, claims: readonly Claim[]): void {
    say(`\n${colours.bold(heading)}`);
    for (const { text, against } of claims) {
      const mark = against.length === 0 ? colours.green("✓") : colours.red("✗");
      say(`  ${mark} ${text}`);
      for (const one of against) say(colours.red(`      not so: ${one}`));
    }
  },

  note(text: string): void {
    say(`\n${colours.dim(text)}`);
  },

  failure(text: string): void {
    process.stderr.write(`\n${colours.red(text)}\n`);
  },
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
