import { code, type Finding, valueAt } from "./config-path.ts";
import { globFindings, processFindings } from "./danger-checks.ts";
import { formatExactDuration, parseDuration } from "./duration.ts";
import { protectedKeysOf, protectedMatch } from "./protected-keys.ts";
import { configParts } from "./schema.ts";
import { nearest } from "./similar.ts";
import { entriesAt, textsOf } from "./unchecked.ts";

/*
 * What a schema cannot say: how parts of a config fit together, and what would be dangerous. The checks read
 * the file as it is written, so that they speak up also when another part of it is invalid.
 */

/** What is wrong between the parts of a config file, or dangerous in one. */
export function crossFindings(input: unknown): Finding[] {
  return [
    ...duplicates(input, "services"),
    ...duplicates(input, "schedule"),
    ...unknownServices(input),
    ...ownJobFindings(input),
    ...globFindings(input),
    ...processFindings(input),
    ...pruneFindings(input),
    ...sessionFindings(input),
    ...deadlineFindings(input),
  ];
}

/** Services are stopped one after another: a stage that ends before they have had their grace cuts them short. */
function deadlineFindings(input: unknown): Finding[] {
  const durationOf = (value: unknown, otherwise: string) =>
    parseDuration(typeof value === "string" ? value : otherwise) ?? 0; // what is none is told elsewhere
  const graces = entriesAt(input, ["services"]).map(({ entry }) =>
    durationOf(valueAt(entry, ["grace"]), "15s"),
  );
  const neededMs = graces.reduce((sum, graceMs) => sum + graceMs, 0);
  const deadlineMs = durationOf(valueAt(input, ["stageDeadline"]), "15m");
  if (deadlineMs === 0 || neededMs < deadlineMs) return [];
  return [
    {
      path: ["stageDeadline"],
      message: `expected more than the ${formatExactDuration(neededMs)} that the services may take to stop, got ${formatExactDuration(deadlineMs)}`,
      hint: "the graces of all services together must fit into it",
    },
  ];
}

function duplicates(input: unknown, list: string): Finding[] {
  const seen = new Set<unknown>();
  return entriesAt(input, [list]).flatMap(({ path, entry }) => {
    const name = valueAt(entry, ["name"]);
    if (typeof name !== "string" || !seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [
      { path: [...path, "name"], message: `expected a name of its own, got ${code(name)} a second time` },
    ];
  });
}

function unknownServices(input: unknown): Finding[] {
  const names = entriesAt(input, ["services"]).flatMap(({ entry }) => textsOf(valueAt(entry, ["name"])));
  return entriesAt(input, ["temp"]).flatMap(({ path, entry }) => {
    const name = valueAt(entry, ["unlessRunning"]);
    if (typeof name !== "string" || names.includes(name)) return [];
    const meant = nearest(name, names);
    return [
      {
        path: [...path, "unlessRunning"],
        message: `expected the name of a service, got ${code(name)}`,
        hint:
          meant === undefined
            ? `services here: ${names.join(", ") || "none"}`
            : `did you mean ${code(meant)}?`,
      },
    ];
  });
}

function ownJobFindings(input: unknown): Finding[] {
  return entriesAt(input, ["jobs"]).flatMap(({ path, entry }) => {
    const places = ["before", "after", "with"].filter((key) => valueAt(entry, [key]) !== undefined);
    if (places.length === 1) return [];
    const got = places.length === 0 ? "none" : places.join(" and ");
    return [
      {
        path,
        message: `expected one of before, after and with, got ${got}`,
        hint: "such as before: stop-services",
      },
    ];
  });
}

function pruneFindings(input: unknown): Finding[] {
  const queues = configParts.brokerQueues.safeParse(valueAt(input, ["redis", "brokerQueues"])).data;
  const guard = protectedKeysOf({
    redis: { brokerQueues: queues ?? configParts.brokerQueues.parse(undefined) },
  });
  return entriesAt(input, ["redis", "prune"]).flatMap(({ path, entry }) => {
    const keys = valueAt(entry, ["keys"]);
    const guarded = typeof keys === "string" && keys !== "" ? protectedMatch(keys, guard) : undefined;
    const findings: Finding[] = [];
    if (guarded !== undefined) {
      findings.push({
        path: [...path, "keys"],
        message: `expected a glob that spares the queues' keys, got ${code(String(keys))}, which can match ${guarded}`,
        hint: "start it with the application's own prefix, such as myapp:*",
      });
    }
    if (valueAt(entry, ["withoutTtl"]) === "expire" && isZero(valueAt(entry, ["olderThan"]))) {
      findings.push({
        path: [...path, "olderThan"],
        message:
          "expected more than 0s with withoutTtl: expire, which would delete keys of unknown age at once",
        hint: "give such keys some time, such as 10m, or write withoutTtl: keep",
      });
    }
    return findings;
  });
}

function isZero(olderThan: unknown): boolean {
  const duration = configParts.olderThan.safeParse(olderThan).data;
  return duration === 0;
}

function sessionFindings(input: unknown): Finding[] {
  const session = configParts.session.safeParse(valueAt(input, ["session"])).data;
  if (session === undefined || session.adviseAfter <= session.warnAfter) return [];
  const written = ["adviseAfter", "warnAfter"].find((key) => valueAt(input, ["session", key]) !== undefined);
  return [
    {
      path: ["session", written ?? "adviseAfter"],
      message: "expected adviseAfter to be no longer than warnAfter",
      hint: "advice comes first, the warning after it",
    },
  ];
}
