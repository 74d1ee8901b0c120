import { rmSync } from "node:fs";

interface Tally {
  passed: number;
  failed: number;
  /** The fault was put off by chance until there was nothing left to disturb. */
  late: number;
  readonly recoveriesMs: number[];
  readonly failures: string[];
}

/** How often each case passed and failed, what it counted, and what the failures said. */
export class Tallies {
  readonly #cases = new Map<string, Tally>();
  readonly #counts = new Map<string, string>();

  passed(name: string, recoveryMs?: number): void {
    const tally = this.#of(name);
    tally.passed += 1;
    if (recoveryMs !== undefined) tally.recoveriesMs.push(recoveryMs);
  }

  late(name: string): void {
    this.#of(name).late += 1;
  }

  failed(name: string, message: string): void {
    const tally = this.#of(name);
    tally.failed += 1;
    tally.failures.push(message.split("\n    at ")[0] ?? "");
  }

  /** What a case counted, as it is to be told at the end. */
  counted(name: string, counts: object): void {
    const words = Object.entries(counts).map(([what, amount]) => `${what} ${amount}`);
    this.#counts.set(name, words.join(", "));
  }

  get failures(): number {
    return [...this.#cases.values()].reduce((sum, { failed }) => sum + failed, 0);
  }

  /** Tells everything; the exit code. What the programs said is in the folder, which goes when nothing has failed. */
  conclude(folder: string, tell: (line: string) => void): number {
    tell(
      ["passed", "failed", "too late", "recovery", "longest", "   case"]
        .map((word) => word.padStart(9))
        .join(""),
    );
    for (const [name, { passed, failed, late, recoveriesMs }] of [...this.#cases].toSorted()) {
      const sorted = recoveriesMs.toSorted((a, b) => a - b);
      const times = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map(seconds);
      const counts = this.#counts.get(name);
      const cells = [passed, failed, late, ...times].map((cell) => String(cell).padStart(9)).join("");
      tell(`${cells}  ${name}${counts === undefined ? "" : `: ${counts}`}`);
    }
    const failed = [...this.#cases].filter(([, tally]) => tally.failed > 0);
    for (const [name, { failures }] of failed)
      tell(`\n${name}:\n${[...new Set(failures)].join("\n").slice(0, 4_000)}`);
    if (failed.length === 0) rmSync(folder, { recursive: true });
    else tell(`\nWhat the programs said is in ${folder}`);
    return failed.length > 0 || this.#cases.size === 0 ? 1 : 0;
  }

  #of(name: string): Tally {
    const tally = this.#cases.get(name) ?? { passed: 0, failed: 0, late: 0, recoveriesMs: [], failures: [] };
    this.#cases.set(name, tally);
    return tally;
  }
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "" : `${(ms / 1_000).toFixed(1)} s`;
}
