import { pino } from "pino";
import type { Log } from "../../jobs/job.ts";
import { printable, printableJson } from "../report/words.ts";
import type { CliOptions } from "./options.ts";

/**
 * The log on stderr: pino's JSON lines, or on a terminal lines for people. A command logs only with --verbose;
 * the worker always does.
 */
export function logOf({ verbose, quiet }: CliOptions, isWorker = false): Log {
  const level = quiet === true ? "warn" : isWorker || verbose === true ? "info" : "error";
  const destination = { write: process.stderr.isTTY === true ? writeForPeople : writeAsIs };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

function writeAsIs(line: string): void {
  process.stderr.write(printableJson(line));
}

function writeForPeople(line: string): void {
  const { level, time, msg, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const word = Number(level) >= 40 ? "warning: " : "";
  const rest = Object.entries(facts).map(([name, value]) => ` ${name}=${printable(String(value))}`);
  process.stderr.write(`${String(time).slice(11, 19)} ${word}${printable(String(msg))}${rest.join("")}\n`);
}
