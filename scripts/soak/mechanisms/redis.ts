import type { Mechanism } from "./mechanism.ts";

const PAGE = "src/system/prune-script.ts";
const AGE = "src/system/age-script.ts";
const CELERY = "src/system/celery-script.ts";
const SERVER = "src/system/redis-server.ts";
const TRAPS = "test/system/prune-traps.test.ts";
const LADDER = "test/system/age-ladder.test.ts";
const SCRIPT = "test/system/prune-script.test.ts";
const KEYSPACE = "test/system/keyspace.test.ts";

/** Section "Redis" of docs/safety.md. */
export const REDIS: readonly Mechanism[] = [
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [{ file: PAGE, find: "if is_protected(key) then return keep('protected') end", replace: "" }],
    test: { file: KEYSPACE, name: "keeps the broker's" },
  },
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [
      {
        file: "src/config/protected-keys.ts",
        find: "anywhere: { suffixes: PREFIXED.suffixes, parts: PREFIXED.parts }",
        replace: "anywhere: { suffixes: [], parts: [] }",
      },
    ],
    test: { file: "test/safety/keys.test.ts", name: "Kombu's keys behind its global_keyprefix" },
  },
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [
      {
        file: "src/config/protected-keys.ts",
        find: "...queues.map((queue) => queue + PRIORITY_SEPARATOR)",
        replace: "",
      },
    ],
    test: { file: KEYSPACE, name: "keeps the broker's" },
  },
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [
      {
        file: "src/config/checks.ts",
        find: 'typeof keys === "string" && keys !== "" ? protectedMatch(keys, guard) : undefined',
        replace: "undefined",
      },
    ],
    test: { file: "test/config/protected-keys.test.ts", name: "such a rule is a problem" },
  },
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [
      { file: "src/config/protected-keys.ts", find: "if (name !== undefined) return name;", replace: "" },
    ],
    test: { file: "test/config/protected-keys.test.ts", name: "a rule for" },
  },
  {
    promise: "A key of the broker, or of a queue, is never removed",
    edits: [
      {
        file: "src/config/protected-keys.ts",
        find: "if (MAILBOXES.some((mailbox) => mailbox.endsWith(suffix) && matchesRedisGlob(keys, mailbox))) return true;",
        replace: "",
      },
    ],
    test: { file: "test/config/protected-keys.test.ts", name: "a rule for" },
  },
  {
    promise: "Which keys two globs of Redis share is known exactly",
    edits: [
      {
        file: "src/config/redis-glob.ts",
        find: "const width = b.length + 1;",
        replace: `let left = 100_000_000;
          const walk = (i: number, j: number): boolean =>
            left-- > 0 &&
            ((i === a.length && j === b.length) ||
              stepsFrom(a[i], b[j]).some(([down, right]) => walk(i + down, j + right)));
          if (a.length >= 0) return walk(0, 0);
          const width = b.length + 1;`,
      },
    ],
    test: { file: "test/config/redis-glob.test.ts", name: "patterns made to be slow are not" },
  },
  {
    promise: "Which keys two globs of Redis share is known exactly",
    edits: [
      {
        file: "src/config/redis-glob.ts",
        find: "return mayPass(right) ? [END_LEFT, EAT_RIGHT] : [END_LEFT];",
        replace: "return right !== undefined ? [END_LEFT, EAT_RIGHT] : [END_LEFT];",
      },
    ],
    test: { file: "test/config/redis-glob.test.ts", name: "share a key" },
  },
  {
    promise: "Which keys two globs of Redis share is known exactly",
    edits: [
      {
        file: "src/config/redis-glob.ts",
        find: "one = Math.min(byte, third); one <= Math.max(byte, third)",
        replace: "one = byte; one <= third",
      },
    ],
    test: {
      file: "test/config/redis-glob.test.ts",
      name: "any glob means the keys that the same regular expression means",
    },
  },
  {
    promise: "A list or a stream is somebody's queue",
    edits: [
      {
        file: PAGE,
        find: "if kind == 'list' or kind == 'stream' then return keep('queue') end",
        replace: "",
      },
    ],
    test: { file: KEYSPACE, name: "counts exactly what apply then does" },
  },
  {
    promise: "A list or a stream is somebody's queue",
    edits: [{ file: PAGE, find: "or kind == 'stream'", replace: "" }],
    test: { file: SCRIPT, name: "XADD" },
  },
  {
    promise: "A rule for one type touches no other",
    edits: [{ file: PAGE, find: "if rule.type then arguments", replace: "if false then arguments" }],
    test: { file: LADDER, name: "a rule for one type" },
  },
  {
    promise: "A large server is scanned in two halves",
    edits: [{ file: PAGE, find: "if at == '1' or not is_half_done(at) then", replace: "if true then" }],
    test: { file: "test/system/halves.test.ts", name: "have each of them once" },
  },
  {
    promise: "A large server is scanned in two halves",
    edits: [{ file: PAGE, find: "return at == '0' or byte", replace: "return byte" }],
    test: { file: "test/system/halves.test.ts", name: "have each of them once" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [{ file: AGE, find: "ttl > 0 and ttl <= rung.initialMs", replace: "ttl > 0" }],
    test: { file: SCRIPT, name: "the age from an initial TTL of 24 h" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [{ file: AGE, find: "not is_date(year, month, day) or hour > 23", replace: "hour > 23" }],
    test: { file: SCRIPT, name: "the age from a date in the value" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [
      {
        file: AGE,
        find: "if not sign then return nil end",
        replace: "if not sign then sign, hours, minutes = '+', 0, 0 end",
      },
    ],
    test: { file: SCRIPT, name: "the age from a date in the value" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [{ file: AGE, find: "if value >= YEAR_2000 and value < 1e11", replace: "if value < 1e11" }],
    test: { file: LADDER, name: "a value that is a Unix time" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [{ file: AGE, find: "return idle * 1000, true", replace: "return idle * 1000" }],
    test: { file: SCRIPT, name: "proves a key old, but not young" },
  },
  {
    promise: "What does not prove an age removes nothing",
    edits: [{ file: PAGE, find: "elseif age and not is_least then\n    keep('young')\n  ", replace: "" }],
    test: { file: SCRIPT, name: "the first rung decides" },
  },
  {
    promise: "An idle time is a proof only where it was one all the time",
    edits: [{ file: SERVER, find: " && isAsStarted(info)", replace: "" }],
    test: { file: TRAPS, name: "are not believed after" },
  },
  {
    promise: "An idle time is a proof only where it was one all the time",
    edits: [{ file: SERVER, find: "|\\|resetstat)", replace: ")" }],
    test: { file: TRAPS, name: "one that RESETSTAT made forgotten" },
  },
  {
    promise: "An idle time is a proof only where it was one all the time",
    edits: [{ file: SERVER, find: '!maxMemoryPolicy.includes("lfu") && ', replace: "" }],
    test: { file: KEYSPACE, name: "under an LFU policy trusts no idle time" },
  },
  {
    promise: "An idle time is a proof only where it was one all the time",
    edits: [{ file: AGE, find: "if idle <= rule.uptimeSeconds then", replace: "if idle then" }],
    test: { file: KEYSPACE, name: "trusts no idle time that is longer than the server is up" },
  },
  {
    promise: "An idle time is a proof only where it was one all the time",
    edits: [{ file: AGE, find: "or redis.call('OBJECT', 'REFCOUNT', key) > 1", replace: "" }],
    test: { file: TRAPS, name: "of small integers are those of all of them" },
  },
  {
    promise: "What was given a TTL lives it out",
    edits: [
      {
        file: PAGE,
        find: "and was_given(key) then return keep('given') end",
        replace: "and false then end",
      },
    ],
    test: { file: KEYSPACE, name: "gives a TTL to what has none" },
  },
  {
    promise: "What was given a TTL lives it out",
    edits: [{ file: PAGE, find: "ttl <= longest_given and", replace: "" }],
    test: { file: SCRIPT, name: "a TTL that could not come from the rule" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [{ file: PAGE, find: "rule.readsValues and 1 or 25", replace: "25" }],
    test: { file: TRAPS, name: "from the first on, also where a single key takes long to judge" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [{ file: "src/system/keyspace.ts", find: "readsValues: isCelery || ", replace: "readsValues: " }],
    test: { file: TRAPS, name: "also where the state of a large result of Celery" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [{ file: CELERY, find: "if not has_time_left() then return 'large' end", replace: "" }],
    test: { file: TRAPS, name: "also by a saved group of many large results" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [
      {
        file: PAGE,
        find: "reasons.limit or clock() - started >= rule.budgetMicros",
        replace: "reasons.limit",
      },
    ],
    test: { file: KEYSPACE, name: "go page by page, and other clients are answered in between" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [{ file: "src/system/pace.ts", find: "1 / Math.max(this.#atOnce(), this.#going)", replace: "1" }],
    test: { file: "test/system/pace.test.ts", name: "times in 200 ms have" },
  },
  {
    promise: "No call of the script holds Redis for long",
    edits: [{ file: "src/system/pace.ts", find: "await this.#options.allAnswered();", replace: "" }],
    test: { file: "test/system/halves.test.ts", name: "are not made while somebody does" },
  },
  {
    promise: "A value of more than 256 KiB is not read",
    edits: [{ file: AGE, find: "local LARGEST = 256 * 1024", replace: "local LARGEST = 1024 * 1024" }],
    test: { file: "test/safety/keys.test.ts", name: "300 KiB" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      {
        file: CELERY,
        find: "return /celery|chord/.test(glob) || OF_CELERY.some((keys) => redisGlobsOverlap(glob, keys));",
        replace: "return /celery|chord/.test(glob);",
      },
    ],
    test: { file: TRAPS, name: "what Celery still needs is known behind whatever glob leads to it" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [{ file: CELERY, find: "return /celery|chord/.test(glob) || ", replace: "return " }],
    test: { file: TRAPS, name: "what Celery still needs is known behind whatever glob leads to it" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [{ file: PAGE, find: "if need then return keep(need) end", replace: "" }],
    test: { file: LADDER, name: "Celery's results" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [{ file: CELERY, find: "if not READY[result.status] then return 'unready' end", replace: "" }],
    test: { file: LADDER, name: "Celery's results" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      {
        file: CELERY,
        find: "if type(result.group_id) == 'string' and is_group_kept(prefix, result.group_id) then return 'group' end",
        replace: "",
      },
    ],
    test: { file: LADDER, name: "of a group are kept while there is" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      {
        file: CELERY,
        find: "is_there(prefix .. pattern:format(group))",
        replace: "is_there(pattern:format(group))",
      },
    ],
    test: { file: LADDER, name: "under a prefix of the application's know their group too" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      {
        file: CELERY,
        find: "if not result or not READY[result.status] then return 'group' end",
        replace: "",
      },
    ],
    test: { file: LADDER, name: "of a saved group with parts" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      {
        file: CELERY,
        find: "if group:match('%.[jts]$') or is_there(key .. '.j') or is_there(key .. '.t') then return 'group' end",
        replace: "if group:match('%.[jts]$') then return nil end",
      },
    ],
    test: { file: LADDER, name: "of a chord that waits are kept" },
  },
  {
    promise: "What Celery still needs of its results",
    edits: [
      { file: CELERY, find: "if key:find('chord-unlock-', 1, true) then return 'group' end", replace: "" },
    ],
    test: { file: LADDER, name: "of a chord that waits are kept" },
  },
  {
    promise: "A dry run changes no key, no TTL",
    edits: [
      { file: PAGE, find: "if #doomed > 0 and rule.mode == 'apply' then", replace: "if #doomed > 0 then" },
    ],
    test: { file: KEYSPACE, name: "counts exactly what apply then does" },
  },
  {
    promise: "A dry run changes no key, no TTL",
    edits: [
      {
        file: PAGE,
        find: "if rule.mode == 'apply' then redis.call('PEXPIREAT'",
        replace: "if true then redis.call('PEXPIREAT'",
      },
    ],
    test: { file: KEYSPACE, name: "counts exactly what apply then does" },
  },
  {
    promise: "A node of a Cluster by itself is not taken for the whole",
    edits: [
      {
        file: "src/system/keyspace.ts",
        find: 'if (isClusterNode && parseRedisUrl(rule.url).kind !== "cluster") {',
        replace: "if (rule.url === '') {",
      },
    ],
    test: { file: TRAPS, name: "a node of a Cluster by itself" },
  },
  {
    promise: "Keys and finished jobs of BullMQ queues share",
    edits: [
      {
        file: "src/system/world.ts",
        find: "keyQuota: ofKeys,",
        replace: 'keyQuota: new Quota({ noun: "keys", limits, mode, rehearsed }),',
      },
    ],
    test: { file: "test/flow/app-queues.test.ts", name: "keys and jobs count together" },
  },
  {
    promise: "With `--keep-redis` nothing is asked there",
    edits: [
      {
        file: "src/system/world.ts",
        find: 'keepRedis ? "none" : mode === "apply"',
        replace: 'mode === "apply"',
      },
    ],
    test: { file: "test/jobs/stop-services.test.ts", name: "is not asked for with --keep-redis" },
  },
  {
    promise: "With `--keep-redis` nothing is asked there",
    edits: [
      {
        file: "src/system/celery-tasks.ts",
        find: 'if (this.#access === "none") return undefined;',
        replace: "",
      },
    ],
    test: { file: "test/celery/tasks.test.ts", name: "are not asked for where Redis is left alone" },
  },
];
