import type { Judge } from "./judge.ts";
import { type LotContents, lotOf } from "./lot.ts";
import type { Seen } from "./parcel.ts";
import type { FindRule } from "./search.ts";
import type { Judged, PolicyOrder } from "./sweep-orders.ts";

interface Court {
  readonly judge: Judge;
  readonly policy: PolicyOrder;
  readonly rules: readonly FindRule[];
  readonly nowMs: number;
  /** How many of what stays are to be named. */
  readonly names: number;
}

/** Sorts what was seen: into what goes, what stays, and the `others`, which are for the job to judge. */
export function judgeAll(
  seen: readonly Seen[],
  { judge, policy, rules, nowMs, names }: Court,
): { readonly judged: Judged; readonly lot: LotContents | undefined; readonly others: readonly Seen[] } {
  const at = new Date(nowMs).toISOString();
  const going: Seen[] = [];
  const candidates = rules.map(() => 0);
  const named: { path: string; reason: string }[] = [];
  let amount = 0;
  const others = seen.filter((one) => {
    const { entry, rule, contents } = one;
    const verdict =
      rules[rule]?.kind === "directories" && contents === undefined
        ? "ask"
        : judge(entry, contents, rule, nowMs);
    if (verdict === "ask") return true;
    candidates[rule] = (candidates[rule] ?? 0) + 1;
    if (verdict === "goes") {
      going.push(one);
      return false;
    }
    amount += 1;
    if (named.length < names) named.push({ path: entry.path, reason: verdict.reason });
    return false;
  });
  const factsOf = (rule: number) => ({ at, ...policy.manifest, reason: policy.reasons[rule] ?? "" });
  const lot = lotOf(going, rules, factsOf);
  return { judged: { candidates, lot: lot?.told, staying: { amount, named } }, lot: lot?.contents, others };
}
