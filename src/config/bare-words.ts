import { code, type Finding } from "./config-path.ts";
import type { ConfigFile } from "./schema.ts";

const NAME = /^[\w.@:/-]+$/;

/** Expressions that are but a word, which any command line with this word somewhere inside another one matches. */
export function bareWords({ services }: Pick<ConfigFile, "services">): Finding[] {
  return services.flatMap(({ matches }, index) => {
    const word = bareWordIn(matches);
    if (word === undefined) return [];
    const other = `import-${word}-list`;
    const dot = /\.\w+$/.test(word) ? "" : String.raw`(\.\w+)?`;
    const better = `(^|[ /])${word.replaceAll(".", "\\.")}${dot}( |$)`;
    return [
      {
        path: ["services", index, "matches"],
        message: `${code(matches)} is a word without bounds: it also matches ${code(other)}, which --force would kill`,
        hint: `write what comes before and after it, such as ${code(better)}`,
      },
    ];
  });
}

/** The first alternative that is one; what allows anything before and after it bounds nothing. */
function bareWordIn(expression: string): string | undefined {
  const inner = expression.replace(/^\((?:\?:)?([^()]*)\)$/, "$1");
  if (inner.includes("(")) return undefined;
  return inner
    .split("|")
    .map((one) => one.replace(/^\.[*+]/, "").replace(/\.[*+]$/, ""))
    .map((one) => one.replaceAll(/\\([^\w\s])/g, "$1"))
    .find((one) => NAME.test(one));
}
