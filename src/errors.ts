/** What went wrong, as a word that decides the exit code. */
export type ErrorCode =
  | "unexpected"
  | "usage"
  | "partial"
  | "refused"
  | "redis-unreachable"
  | "config-invalid"
  | "interrupted";

/** The process exit code of each error code; 75 and 78 are EX_TEMPFAIL and EX_CONFIG of sysexits.h. */
export const exitCodeOf: Record<ErrorCode, number> = {
  unexpected: 1,
  usage: 2,
  partial: 3,
  refused: 4,
  "redis-unreachable": 75,
  "config-invalid": 78,
  interrupted: 130,
};

/** One thing that is wrong in the config or the environment: where, what, and what to do about it. */
export interface Problem {
  /** Where: a config path such as `services[0].grace`, or a file. */
  readonly path: string;
  /** What was expected and what was found. */
  readonly message: string;
  /** What to do next. */
  readonly hint?: string;
}

/**
 * The one error of this package. `code` decides the exit code; `problems` lists everything that is wrong
 * when there is more than one thing to mend. The message never holds a password.
 */
export class SafeShutdownError extends Error {
  override readonly name = "SafeShutdownError";
  readonly code: ErrorCode;
  readonly problems: readonly Problem[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; problems?: readonly Problem[] } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What to do about whatever was thrown, if it says so. */
export function hintOf(error: unknown): string | undefined {
  return error instanceof SafeShutdownError ? error.problems[0]?.hint : undefined;
}

/** The system's error code (`ENOENT`, `EPERM`, …) of whatever was thrown, if it has one. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
