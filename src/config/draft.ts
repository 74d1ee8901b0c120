import { basename, join } from "node:path";
import { type RootSurvey, surveyRoot } from "../system/survey-root.ts";
import { ALWAYS_PRESERVED, escapeGlob } from "./always-preserved.ts";
import { draftServices, type ServiceDraft } from "./draft-services.ts";
import { NAME } from "./schema.ts";

/**
 * A commented config for the application in `root`, from what is found there, for `safe-shutdown init`.
 * It is valid as it stands, and changes nothing itself.
 */
export async function draftConfig(root: string): Promise<string> {
  const survey = await surveyRoot(root);
  const services = draftServices(survey);
  const sections = [
    header(survey, root),
    servicesSection(services),
    locksSection(survey),
    redisSection(survey, services),
    tempSection(survey, services),
    preserveSection(survey),
    sessionSection(survey),
    scheduleSection(),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** A YAML text that means just this, whatever is in it. */
const quoted = (text: string): string => JSON.stringify(text);
const list = (texts: readonly string[]): string => `[${texts.map(quoted).join(", ")}]`;

function header(survey: RootSurvey, root: string): string[] {
  return [
    '# What safe-shutdown may stop and clean here. Look it over, then run "safe-shutdown check",',
    '# and "safe-shutdown --dry-run" to see exactly what would be done.',
    `app: ${quoted(appName(survey.projectName ?? basename(root)))} # part of every Redis key and run`,
  ];
}

function appName(text: string): string {
  const name = text
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 63);
  return NAME.test(name) ? name : "my-app";
}

function servicesSection(services: readonly ServiceDraft[]): string[] {
  const comment =
    "# Stopped in this order. A pid file counts only when the process it names matches the expression.";
  if (services.length === 0) {
    return [
      comment,
      "# No pid files were found; start the application and look again, or write its services here:",
      "services: []",
      "#  - name: celery-workers",
      "#    pidFiles: pids/celery_*.pid",
      "#    matches: celery.*\\bworker\\b",
      "#    grace: 15s",
    ];
  }
  const entries = services.flatMap(({ name, pidFiles, matches, note }) => [
    `  - name: ${quoted(name)} # ${note}`,
    `    pidFiles: ${list(pidFiles)}`,
    `    matches: ${quoted(matches)}`,
    "    grace: 15s # then killed, with its children",
  ]);
  return [comment, "services:", ...entries];
}

function locksSection({ lockFiles, sessionFiles }: RootSurvey): string[] {
  const comment = "# Removed when older than this and held by no process; a live lock is never removed.";
  const pinning = new Set(ALWAYS_PRESERVED.map((glob) => glob.replace("**/", "")));
  const locks = lockFiles.filter((path) => !pinning.has(basename(path)));
  const directories = new Set([...locks, ...sessionFiles].map((path) => join(path, "..")));
  if (directories.size === 0) return [comment, "locks: []", '#  - { files: "*.lock", olderThan: 5m }'];
  const globs = [...directories].map((directory) => join(escapeGlob(directory), "*.lock"));
  return [comment, "locks:", `  - files: ${list(globs)}`, "    olderThan: 5m"];
}

function redisSection({ fetchIntervals }: RootSurvey, services: readonly ServiceDraft[]): string[] {
  const start = ["redis:", "  url: redis://127.0.0.1:6379/0 # a password belongs in SAFE_SHUTDOWN_REDIS_URL"];
  if (!services.some(({ name }) => name.startsWith("celery"))) {
    return [...start, "  prune: []", "  #  - { keys: myapp:cache:*, olderThan: 1d, age: [idle] }"];
  }
  const olderThan =
    fetchIntervals.length === 0
      ? ["      olderThan: 1d"]
      : [
          "      olderThan: # the first setting found wins, else the default; then times 2",
          `        setting: ${list(fetchIntervals)}`,
          "        unit: s",
          "        default: 240s",
          "        times: 2",
        ];
  return [
    ...start,
    "  prune:",
    "    - keys: celery-task-meta-* # results of finished tasks",
    ...olderThan,
    "      age: [{ json: date_done }]",
  ];
}

function tempSection(survey: RootSurvey, services: readonly ServiceDraft[]): string[] {
  const beat = services.find(({ name }) => name === "celery-beat");
  const logs = survey.logDirectories.map((directory) => join(escapeGlob(directory), "*.log.*"));
  const rules = [
    ...(logs.length > 0 ? [`  - { files: ${list(logs)}, olderThan: 7d } # rotated logs`] : []),
    ...(survey.hasPythonCode ? ['  - directories: "**/__pycache__"', '  - files: "**/*.pyc"'] : []),
    ...services.map(
      ({ pidFiles }) => `  - pidFiles: ${list(pidFiles)} # only those whose process is proved gone`,
    ),
    ...(beat !== undefined && survey.beatSchedules.length > 0
      ? [`  - { files: ${list(survey.beatSchedules.map(escapeGlob))}, unlessRunning: ${beat.name} }`]
      : []),
  ];
  const comment = "# Files that stopping and running leave behind.";
  return rules.length > 0 ? [comment, "temp:", ...rules] : [comment, "temp: []"];
}

function preserveSection({ sessionFiles }: RootSurvey): string[] {
  const sessions = sessionFiles.length > 0 ? ["*.session", "*.session-*"] : [];
  const kept = [...sessions, "config/**", "data/**", "backups/**", "**/*.log"];
  return ["# Never removed, whatever a rule above says.", `preserve: ${list(kept)}`];
}

function sessionSection({ sessionFiles }: RootSurvey): string[] {
  const [file] = sessionFiles;
  const comment = "# A session file whose age is watched; it is never touched.";
  if (file === undefined)
    return [comment, "# session: { file: telegram.session, adviseAfter: 14d, warnAfter: 30d }"];
  return [comment, `session: { file: ${quoted(file)}, adviseAfter: 14d, warnAfter: 30d }`];
}

function scheduleSection(): string[] {
  return [
    '# What "safe-shutdown worker" runs by itself.',
    "schedule:",
    '  - { name: nightly-hygiene, run: clean, cron: "5 0 * * *", timezone: UTC }',
  ];
}
