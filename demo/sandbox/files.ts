import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface SandboxFile {
  readonly path: string;
  readonly ageMs: number;
  readonly content?: string;
}

/** What the program should take away: paths relative to the root, directories with all they hold. */
const removed: readonly SandboxFile[] = [
  { path: "stale.lock", ageMs: HOUR },
  { path: "logs/app.log.2", ageMs: 8 * DAY },
  { path: "logs/app.log.3.gz", ageMs: 30 * DAY },
  { path: "logs/fetcher/fetcher.log.1", ageMs: 9 * DAY },
  { path: "scraper/__pycache__/app.cpython-311.pyc", ageMs: HOUR },
  { path: "scraper/__pycache__/tasks.cpython-311.opt-1.pyc", ageMs: HOUR },
  { path: "scraper/parsers/__pycache__/posts.cpython-311.pyc", ageMs: HOUR },
  { path: "scraper/legacy.pyc", ageMs: DAY },
];

/** Directories that go as a unit. */
const removedDirectories = ["scraper/__pycache__", "scraper/parsers/__pycache__"];

/** What must still be there, byte for byte. */
const kept: readonly SandboxFile[] = [
  { path: "telegram_session.session", ageMs: 3 * DAY, content: "SQLite format 3\0 the login of the account" },
  { path: "telegram_session.session-journal", ageMs: 3 * DAY, content: "journal" },
  { path: "fresh.lock", ageMs: MINUTE },
  { path: "config/channels.json", ageMs: 40 * DAY, content: '["news", "weather"]\n' },
  { path: "data/messages.jsonl", ageMs: HOUR, content: '{"id":1,"text":"hello"}\n' },
  { path: "data/__pycache__/model.cpython-311.pyc", ageMs: 20 * DAY },
  { path: "data/export.log.1", ageMs: 60 * DAY },
  { path: "backups/2026-01-01.tar.gz", ageMs: 90 * DAY },
  { path: "backups/old.pyc", ageMs: 90 * DAY },
  { path: ".venv/pyvenv.cfg", ageMs: 90 * DAY, content: "home = /usr/bin\nversion = 3.11.2\n" },
  { path: ".venv/lib/python3.11/site-packages/__pycache__/six.cpython-311.pyc", ageMs: 90 * DAY },
  { path: ".venv/lib/python3.11/site-packages/sourceless.pyc", ageMs: 90 * DAY },
  { path: ".git/HEAD", ageMs: 90 * DAY, content: "ref: refs/heads/main\n" },
  { path: ".git/objects/pack/leftover.pyc", ageMs: 90 * DAY },
  { path: "scraper/__init__.py", ageMs: 90 * DAY, content: "" },
  { path: "scraper/app.py", ageMs: 90 * DAY, content: "app = Celery('scraper')\n" },
  { path: "scraper/parsers/posts.py", ageMs: 90 * DAY },
  { path: "scripts/quick_start.sh", ageMs: 90 * DAY, content: "#!/bin/sh\n" },
  { path: "logs/app.log", ageMs: 20 * DAY, content: "the current log, quiet for weeks\n" },
  { path: "logs/app.log.1", ageMs: DAY },
];

/** Written by beat; of use to nobody once beat has stopped, and deadly to remove before. */
const schedule: readonly SandboxFile[] = [
  { path: "logs/celerybeat-schedule", ageMs: MINUTE },
  { path: "logs/celerybeat-schedule.db", ageMs: MINUTE },
];

export interface SandboxFiles {
  readonly removed: readonly string[];
  /** Of these, what goes only when the services have stopped. */
  readonly removedOnceStopped: readonly string[];
}

/** Puts the application's files in place; ages are put into their times. */
export async function createFiles(root: string, fetchIntervalSeconds: number): Promise<SandboxFiles> {
  const config = {
    path: "config/config.json",
    ageMs: 40 * DAY,
    content: `${JSON.stringify({ TELEGRAM_CONFIG: { FETCH_INTERVAL_SECONDS: fetchIntervalSeconds } }, null, 2)}\n`,
  };
  for (const file of [...removed, ...kept, ...schedule, config]) await createFile(root, file);
  await mkdir(join(root, "pids"));
  return {
    removed: [...removed.map(({ path }) => path), ...removedDirectories],
    removedOnceStopped: schedule.map(({ path }) => path),
  };
}

export async function createFile(root: string, file: SandboxFile): Promise<void> {
  const path = join(root, file.path);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, file.content ?? `this is ${file.path}\n`);
  await age(path, file.ageMs);
}

/** Makes a file or directory look as if it was last changed so long ago. */
export async function age(path: string, ageMs: number): Promise<void> {
  const time = new Date(Date.now() - ageMs);
  await utimes(path, time, time);
}

/** Every file below the root, relative, with `/`. */
export async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .map((path) => path.split(sep).join("/"))
    .sort();
}
