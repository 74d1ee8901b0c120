/** Called *.lock, but they pin dependencies: package managers' files, which no process ever holds. */
const DEPENDENCY_LOCKS = [
  ...["bun", "Cargo", "composer", "conda", "deno", "flake", "Gemfile", "mix", "pdm", "Pipfile", "pixi"],
  ...["poetry", "pubspec", "uv", "yarn"],
].map((tool) => `**/${tool}.lock`);

/** Preserved in every application, whatever its config says: version control, environments, own files. */
export const ALWAYS_PRESERVED: readonly string[] = [
  ...[".git", ".venv", "venv", ".safe-shutdown"].flatMap((name) => [`**/${name}`, `**/${name}/**`]),
  ...DEPENDENCY_LOCKS,
];

/** SQLite keeps these beside a database, which a Telegram session is (sqlite.org/tempfiles.html). */
const SQLITE_SIDE_FILES = ["", "-journal", "-wal", "-shm"];

/** What is preserved besides the config's own list: the session with its journals, the config file, the above. */
export function alwaysPreserved(session: string | undefined, configFile: string | undefined): string[] {
  const database =
    session === undefined ? [] : SQLITE_SIDE_FILES.map((ending) => escapeGlob(session + ending));
  const config = configFile === undefined || configFile.startsWith("/") ? [] : [escapeGlob(configFile)];
  return [...database, ...config, ...ALWAYS_PRESERVED];
}

/** A path as the glob that means just this path. */
export function escapeGlob(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@|]/g, "\\$&");
}
