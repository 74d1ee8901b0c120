import type { Judge } from "./judge.ts";
import { type LotContents, lotOf } from "./lot.ts";
import type { Seen } from "./parcel.ts";
import type { FindRule } from "./search.ts";
import type { Judged, PolicyOrder } from "./sweep-orders.ts";

/** How many files and directories may be in a lot: once begun it is finished, and a crash leaves so many lines of it. */
const MOST = 4_096;

interface JudgeAllOptions {
  readonly judge: Judge;
  readonly policy: PolicyOrder;
  readonly rules: readonly FindRule[];
  readonly nowMs: number;
  /** How many of what stays are to be named. */
  readonly names: number;
}

/** What was judged, and the `others`, which are for the job to judge. */
interface Sorted {
  readonly judged: Judged | undefined;
  readonly lot: LotContents | undefined;
  readonly others: readonly Seen[];
}

/** Sorts what was seen: into what goes, what stays, and the others. */
export function judgeAll(
  seen: readonly Seen[],
  { judge, policy, rules, nowMs, names }: JudgeAllOptions,
): Sorted {
  const going: Seen[] = [];
  const others: Seen[] = [];
  const candidates = rules.map(() => 0);
  const named: { path: string; reason: string }[] = [];
  let amount = 0;
  let weight = 0;
  for (const one of seen) {
    const { entry, rule, contents } = one;
    const isUnseen = rules[rule]?.kind === "directories" && contents === undefined;
    const verdict = isUnseen ? "ask" : judge(entry, contents, rule, nowMs);
    const more = 1 + (contents?.files.length ?? 0);
    if (verdict === "ask" || (verdict === "goes" && weight + more > MOST)) {
      others.push(one);
      continue;
    }
    candidates[rule] = (candidates[rule] ?? 0) + 1;
    if (verdict === "goes") {
      weight += more;
      going.push(one);
    } else {
      amount += 1;
      if (named.length < names) named.push({ path: entry.path, reason: verdict.reason });
    }
  }
  const at = new Date(nowMs).toISOString();
  const factsOf = (rule: number) => ({ at, ...policy.manifest, reason: policy.reasons[rule] ?? "" });
  const lot = going.length === 0 ? undefined : lotOf(going, rules, factsOf);
  return { judged: { candidates, lot: lot?.told, staying: { amount, named } }, lot: lot?.contents, others };
}
