import { describe, expect, test } from "vitest";
import { matcherOf, preserverOf } from "../../src/system/patterns.ts";

describe("a pattern of a rule", () => {
  test.each([
    { pattern: "*.lock", path: "a.lock", means: true },
    { pattern: "*.lock", path: ".lock", means: true },
    { pattern: "*.lock", path: "sub/a.lock", means: false },
    { pattern: "*.lock", path: "a.LOCK", means: false },
    { pattern: "*.lock", path: "-rf.lock", means: true },
    { pattern: "*.lock", path: "a\nb.lock", means: true },
    { pattern: "logs/**/*.log.*", path: "logs/app.log.1", means: true },
    { pattern: "logs/**/*.log.*", path: "logs/a/b/app.log.2.gz", means: true },
    { pattern: "logs/**/*.log.*", path: "logs/.hidden/app.log.2", means: true },
    { pattern: "logs/**/*.log.*", path: "logs/a\nb/app\n.log.2", means: true },
    { pattern: "logs/**/*.log.*", path: "logs/app.log", means: false },
    { pattern: "**/__pycache__", path: "__pycache__", means: true },
    { pattern: "**/__pycache__", path: "a/.b/__pycache__", means: true },
    { pattern: "pids/celery_*.pid", path: "pids/celery_1.pid", means: true },
    { pattern: "pids/celery_*.pid", path: "pids/x/celery_1.pid", means: false },
  ])("$pattern means $path: $means", ({ pattern, path, means }) => {
    expect(matcherOf([pattern])(path)).toBe(means);
  });
});

describe("a path is preserved", () => {
  test.each([
    { list: "*.session", path: "a.session", as: "it is named" },
    { list: "*.session", path: "deep/down/a.session", as: "a glob without a slash holds at any depth" },
    { list: "*.session", path: "A.SESSION", as: "letter case does not count" },
    { list: "Config/**", path: "config/a.json", as: "letter case does not count in directories either" },
    { list: "./config/**", path: "config/a.json", as: "./ before it says nothing" },
    { list: "././/config/**", path: "config/a.json", as: "nor does it twice" },
    { list: "config/**", path: "config", as: "a directory whose contents are named is itself" },
    { list: "config/**", path: "config/a/b/c", as: "it lies far below" },
    { list: "config", path: "config/a.json", as: "the directory it lies in is" },
    { list: "config", path: "x/config/a/b", as: "the directory far above it is" },
    { list: "data/*", path: "data/a/b", as: "the directory above it is matched" },
    { list: "caf\u00e9/**", path: "cafe\u0301/a.pyc", as: "the list is composed, the name decomposed (NFD)" },
    { list: "cafe\u0301/**", path: "caf\u00e9/a.pyc", as: "the list is decomposed, the name composed (NFC)" },
    { list: "data/**", path: "data/.hidden/x", as: "a leading dot says nothing" },
    { list: "data/**", path: "data/a\nb.pyc", as: "a line break in the name says nothing" },
    { list: "*.session", path: "a\nb/c.session", as: "nor one in the name of its directory" },
    { list: "logs/**/*.log", path: "logs/app.log", as: "** may mean no directory at all" },
  ])("$path by $list: $as", ({ list, path }) => {
    expect(preserverOf(["other/**", list])(path)).toBe(list);
  });

  test.each([
    { list: "*.session", path: "a.session.txt" },
    { list: "config/**", path: "configuration/a.json" },
    { list: "config/**", path: "x/config/a.json" },
    { list: "logs/**/*.log", path: "logs/app.log.1" },
    { list: "data/**", path: "database" },
  ])("not: $path by $list", ({ list, path }) => {
    expect(preserverOf([list])(path)).toBeUndefined();
  });
});
