import type { RunView, TaskView } from "../flow/view.ts";
import type { RunReport } from "../report/report.ts";
import { formatBytes, printable } from "../report/words.ts";
import type { Terminal } from "./terminal.ts";

/** Shows a run while it goes on. */
export interface ProgressDisplay {
  show(view: RunView): void;
  /** Leaves the screen as it should stay. May be called twice; with the report, what was not seen to end is told. */
  end(report?: RunReport): void;
}

/** Rows that move on a terminal, plain lines elsewhere, nothing with --quiet. Everything goes to stderr. */
export function showProgress(terminal: Terminal): ProgressDisplay {
  if (terminal.options.quiet === true) return { show() {}, end() {} };
  return process.stderr.isTTY === true && terminal.options.json !== true
    ? movingRows(terminal)
    : plainLines(terminal);
}

/** More rows than fit cannot be moved over again: those that wait are left out first. */
function movingRows(terminal: Terminal): ProgressDisplay {
  let drawn = 0;
  let last = "";
  const erase = () => (drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : "");
  terminal.giveWay = () => {
    process.stderr.write(erase());
    drawn = 0;
    last = "";
  };
  return {
    show(view) {
      const { rows: height = 24, columns: width = 80 } = process.stderr;
      const tasks = view.stages.flat();
      const urgent = tasks.filter(({ state }) => state === "running");
      const shown =
        tasks.length < height ? tasks : [...urgent, ...tasks.filter((task) => !urgent.includes(task))];
      const rows = shown
        .slice(0, height - 1)
        .map((task) => `${signOf(task, terminal)} ${describe(task, view).slice(0, width - 4)}`);
      const text = `${rows.join("\n")}\n`;
      if (text === last) return;
      process.stderr.write(erase() + text);
      drawn = rows.length;
      last = text;
    },
    end() {
      process.stderr.write(erase());
      drawn = 0;
    },
  };
}

/** One line when a job changes its state or what it waits for; the seconds it counts are no change. */
function plainLines(terminal: Terminal): ProgressDisplay {
  const told = new Map<string, string>();
  let tasks: readonly TaskView[] = [];
  return {
    show(view) {
      tasks = view.stages.flat();
      for (const [index, task] of tasks.entries()) {
        const { state, progress } = task;
        const waitsFor = state === "running" ? progress?.waitingFor?.replace(/:.*/, "") : undefined;
        const news = `${state} ${waitsFor ?? ""}`;
        if (state === "waiting" || told.get(String(index)) === news) continue;
        told.set(String(index), news);
        terminal.tell(
          `${nameOf(task, view)}: ${state}${waitsFor === undefined ? "" : `, waiting for ${printable(waitsFor)}`}`,
        );
      }
    },
    end(report) {
      for (const { job, host, status } of report?.jobs ?? []) {
        const seen = tasks.findIndex(
          (task) => task.job === job && (task.host === undefined || task.host === host),
        );
        const isTold = seen >= 0 && told.get(String(seen))?.startsWith("ended") === true;
        if (!isTold && status !== "skipped" && status !== "missing") terminal.tell(`${job}: ended`);
      }
    },
  };
}

function describe(task: TaskView, view: RunView): string {
  const { state, progress } = task;
  if (progress === undefined) return `${nameOf(task, view)}  ${state}`;
  const { done, planned, kept, failed, bytes } = progress.totals;
  const counts = [
    done + planned > 0 && `${done + planned} done`,
    kept > 0 && `${kept} kept`,
    failed > 0 && `${failed} failed`,
    bytes > 0 && formatBytes(bytes),
  ].filter(Boolean);
  const waiting =
    state === "running" && progress.waitingFor !== undefined
      ? `waiting for ${printable(progress.waitingFor)}`
      : "";
  return [nameOf(task, view), state, counts.join(", "), waiting].filter(Boolean).join("  ");
}

/** The host matters only where there are several. */
function nameOf({ job, host }: TaskView, { hosts }: RunView): string {
  return host === undefined || hosts.length === 1 ? job : `${job} on ${host}`;
}

function signOf({ state }: TaskView, { err }: Terminal): string {
  if (state === "ended") return err.green("✓");
  if (state === "running") return err.yellow("●");
  return err.dim(state === "skipped" ? "-" : "○");
}
