import * as bindMount from "../../test/attacks/bind-mount.ts";
import * as directorySwap from "../../test/attacks/directory-swap.ts";
import * as fileSwap from "../../test/attacks/file-swap.ts";
import type { How, Race } from "../../test/attacks/files/race.ts";
import * as keyRewrite from "../../test/attacks/key-rewrite.ts";
import * as lockTaken from "../../test/attacks/lock-taken.ts";
import * as parentSwap from "../../test/attacks/parent-swap.ts";
import * as parsers from "../../test/attacks/parsers.ts";
import * as pidRecycling from "../../test/attacks/pid-recycling.ts";
import * as rewrite from "../../test/attacks/rewrite.ts";
import type { Tallies } from "./tally.ts";

/** Each attacker runs flat out for so long. */
const ATTACK_SECONDS = 60;
/** Each parser of outside input gets so many. */
const INPUTS = 1_000_000;

/** What `test/safety` runs for seconds, run for as long as it takes to mean something. Rejects when it does harm. */
interface LongForm {
  readonly name: string;
  /** Answers what it counted; `undefined` where it may not run. */
  run(): Promise<object | undefined>;
}

interface Attack<Counts extends object> {
  run(options: { seconds: number }): Promise<Counts>;
  mayRun?(): boolean;
}

interface AttackOnFiles extends Attack<Race> {
  run(options: { seconds: number; how?: How }): Promise<Race>;
}

/** `isHit`: the race was really there; `harm`: what must be 0. */
function attack<Counts extends object>(
  name: string,
  { run, mayRun = () => true }: Attack<Counts>,
  { isHit, harm }: { isHit: (counts: Counts) => boolean; harm: (counts: Counts) => number },
): LongForm {
  return {
    name: `attacks: ${name}`,
    run: async () => {
      if (!mayRun()) return undefined;
      const counts = await run({ seconds: ATTACK_SECONDS });
      const said = JSON.stringify(counts);
      if (harm(counts) > 0) throw new Error(`expected no harm, found ${said}`);
      if (!isHit(counts)) throw new Error(`expected the race to be hit, found ${said}`);
      return counts;
    },
  };
}

const onFiles = {
  isHit: ({ swaps, noticed }: Race) => swaps > 100 && noticed > 0,
  harm: ({ harmed }: Race) => harmed,
};

/** Beside what one process cleans, and beside what sweepers judge and remove. */
function attacksOnFiles(name: string, attacker: AttackOnFiles): LongForm[] {
  const swept: Attack<Race> = { ...attacker, run: ({ seconds }) => attacker.run({ seconds, how: "judged" }) };
  return [attack(name, attacker, onFiles), attack(`${name}, with sweepers`, swept, onFiles)];
}

export const LONG_FORMS: readonly LongForm[] = [
  ...attacksOnFiles("directory swapped for a link", directorySwap),
  ...attacksOnFiles("directory above swapped for a link", parentSwap),
  ...attacksOnFiles("files swapped for links", fileSwap),
  ...attacksOnFiles("bind mounts", bindMount),
  ...attacksOnFiles("files rewritten", rewrite), // what cannot be prevented is counted: `lost`
  attack("pids recycled", pidRecycling, {
    isHit: ({ recycled, attemptsAfter }) => recycled > 0 && attemptsAfter > 0,
    harm: ({ harmed }) => harmed,
  }),
  attack("locks taken", lockTaken, {
    isHit: ({ taken, savedByLastLook }) => taken > 0 && savedByLastLook > 0,
    harm: ({ robbed }) => robbed,
  }),
  attack("keys rewritten", keyRewrite, {
    isHit: ({ removed, kept }) => removed > 0 && kept > 0,
    harm: ({ lost }) => lost,
  }),
  ...parsers.PARSERS.map((parser) => ({
    name: `parsers: ${parser}`,
    run: async () => {
      await parsers.run(parser, INPUTS);
      return { inputs: INPUTS };
    },
  })),
];

/** One after another, each once. */
export async function runLongForms(
  forms: readonly LongForm[],
  tallies: Tallies,
  tell: (line: string) => void,
): Promise<void> {
  for (const { name, run } of forms) {
    try {
      const counts = await run();
      if (counts !== undefined) {
        tallies.passed(name);
        tallies.counted(name, counts);
      }
      tell(counts === undefined ? `${name}: may not run here` : `${name}: ${JSON.stringify(counts)}`);
    } catch (error) {
      tallies.failed(name, toldBy(error));
      tell(`${name}: failed`);
    }
  }
}

/** With its cause, which is what a property says it failed by. */
function toldBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n${toldBy(error.cause)}`;
}
