import type { EffectiveSetting } from "../config/load.ts";
import type { Problem } from "../errors.ts";
import { openApplication } from "../flow/open.ts";
import { printable } from "../report/words.ts";
import { environmentWarnings } from "../system/environment.ts";
import type { Invocation } from "./invocation.ts";
import { logOf } from "./log.ts";
import { applicationOptions } from "./open.ts";
import { renderProblem, type Terminal } from "./terminal.ts";

/** `check`: every problem at once (exit 78), warnings, and the effective config with the origin of each value. */
export async function check({ options, terminal }: Invocation): Promise<number> {
  const { application, loaded } = await openApplication({
    ...applicationOptions(options),
    log: logOf(options),
  });
  const warnings = [...loaded.warnings, ...(await environmentWarnings(application.config))];
  const { app, root, file } = application.config;
  terminal.printJson({ version: 1, app, root, file: file ?? null, warnings, settings: loaded.origins });
  terminal.print(render(warnings, loaded.origins, terminal));
  terminal.tell(`The config holds (${printable(file ?? "the built-in policy")}).`);
  return 0;
}

function render(
  warnings: readonly Problem[],
  settings: readonly EffectiveSetting[],
  { out }: Terminal,
): string {
  const width = Math.min(60, Math.max(...settings.map(({ path, value }) => path.length + value.length + 2)));
  const lines = settings.map(({ path, value, origin }) => {
    const setting = printable(`${path}: ${value}`);
    return `${setting.padEnd(width)}  ${out.dim(printable(origin))}`;
  });
  if (warnings.length === 0) return lines.join("\n");
  return [...lines, "", out.yellow("Warnings"), ...warnings.map((one) => renderProblem(one, out))].join("\n");
}
