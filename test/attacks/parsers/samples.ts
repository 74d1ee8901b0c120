/** True texts: as programs and the kernel write them. */
const stat = (
  name: string,
  rest = "S 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 3 0 812345 1024 18446744073709551615",
) => `4242 (${name}) ${rest} 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n`;

const status = (name: string) =>
  `Name:\t${name}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\nNgid:\t0\nPid:\t4242\nPPid:\t1\nTracerPid:\t0\n` +
  "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nFDSize:\t64\nGroups:\t4 27 \nNStgid:\t4242\t7\nNSpid:\t4242\t7\n";

export const SAMPLES = {
  pidFiles: ["4242\n", "4242", " 4242\r\n", "1", "0", "-4242", "4194304", "4242\n4243\n", "", "7".repeat(64)],
  stats: [
    stat("celery"),
    stat("a) Z 0 (b"),
    stat("((((", "Z 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 812345 1024 0"),
    stat("worker", "Z 1 4242 4242 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 4 0 812345 1024 0"),
    stat("two\nlines\r)"),
  ],
  statuses: [
    status("celery"),
    status("\rTgid:\t1"),
    status("a\\nTgid:\t1"),
    "Name:\tx\nTgid:\t1\nUid:\t0\t0\t0\t0\n",
  ],
  mounts: [
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n27 1 254:0 / / rw - ext4 /dev/vda rw\n",
    "46 27 0:40 / /srv/a\\040-\\040b rw,relatime shared:7 master:8 - overlay overlay rw,lowerdir=a\n",
    "45 27 0:40 / /- rw - fuse.sshfs user@host:/ rw\n",
  ],
  locks: [
    "1: FLOCK  ADVISORY  WRITE 23903 fe:00:2287642 0 EOF\n2: POSIX  ADVISORY  READ 5433 08:01:7864448 128 128\n",
    "3: OFDLCK ADVISORY  READ -1 00:28:9223372036854775822 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 0 fe:00:2304 0 EOF\n",
    "4: LEASE  ACTIVE    READ 2433 00:22:130 0 EOF\n",
  ],
  descriptors: [
    "pos:\t0\nflags:\t02100000\nmnt_id:\t46\nino:\t9223372036854775822\nlock:\t1: FLOCK  ADVISORY  READ 4242 00:28:13 0 EOF\n",
    "pos:\t0\nflags:\t02\nmnt_id:\t13\n",
  ],
  owners: [
    ...["4242", "4242\n", "4242 db-1.example\n", "4242@db-1", "db-1-4242", "db-1:4242", "127.0.1.1:+4242"],
    ...['{"pid": 4242}', '{"pid":4242,"host":"db-1"}', "pid=4242 host=db-1", "PID: 4242 started 2024"],
    ...["4242\ncelery\ndb-1\n", "root@db-1.4242:1700000", "db-1/4026531836:4242", "2024-01-15T10:00:00Z"],
    ...["SQLite format 3\0\x10\0", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", "locked by 4242 on monday", ""],
  ],
  words: [
    "",
    "locked by",
    "the owner is",
    "worker",
    '{"owner":',
    "on monday",
    "since",
    "a-b_c",
    "pid",
    "host=db",
  ],
  hostForms: [
    (pid: number, host: string) => `${pid} ${host}`,
    (pid: number, host: string) => `${pid}@${host}\n`,
    (pid: number, host: string) => `${pid}\n${host}\n`,
    (pid: number, host: string) => `${host}-${pid}`,
    (pid: number, host: string) => `${host}:${pid}\n`,
    (pid: number, host: string) => `user@${host}.${pid}:1700000`,
    (pid: number, host: string) => `${host}/4026531836:${pid}`,
    (pid: number, host: string) => `${pid}\ncelery\n${host}\n`,
    (pid: number, host: string) => `pid=${pid} host=${host}`,
    (pid: number, host: string) => `{"pid": ${pid}, "hostname": "${host}", "since": "2024-01-15"}`,
    (pid: number, host: string) => `{"node":"${host}","pid":"${pid}"}`,
  ],
} as const;

export const CONFIGS = [
  "app: a\nservices:\n  - name: w\n    pidFiles: pids/*.pid\n    matches: celery.*\\bworker\\b\n    user: app\n    grace: 15s\n",
  'app: a\nlocks: [{ files: "*.lock", olderThan: 5m, share: 50% }]\ntemp:\n  - files: logs/**/*.log.*\n    olderThan: 7d\n    quarantine: 7d\n',
  "app: a\nredis:\n  url: redis://h:6379/0\n  prune:\n    - keys: m:*\n      olderThan: &old { setting: s.json#/a, unit: s, default: 240s, times: 2 }\n      age: [{ ttl: 24h }, idle]\n",
  "app: a\nx: &x { olderThan: 5m }\nlocks:\n  - <<: *x\n    files: a.lock\n",
  'app: a\nlimits: { files: 10, keys: 5, bytes: 1 GB, share: 10% }\npreserve: [config/**, "*.session"]\nstageDeadline: 15m\n',
  'app: a\nschedule:\n  - { name: n, run: clean, jobs: [prune-redis], cron: "*/15 * * * *", timezone: UTC }\nsession: { file: a.session }\n',
  "%YAML 1.2\n---\napp: a\npreserve:\n- !!str b\n- |\n  c\n- 'd''e'\n...\n",
];

export const JSON_CONFIGS = [
  {
    app: "a",
    services: [
      { name: "w", pidFiles: ["p.pid"], matches: "celery", user: 1000, grace: "5s", strays: "stop" },
    ],
    locks: [{ files: "*.lock", olderThan: "5m", quarantine: "7d", share: "50%" }],
    temp: [
      { directories: "**/__pycache__", holding: ["*.pyc"] },
      { pidFiles: "*.pid" },
      { files: "a.*", unlessRunning: "w" },
    ],
    limits: { files: 10, bytes: "1 GB" },
  },
  {
    app: "a",
    redis: {
      url: "redis://h/0",
      brokerQueues: ["celery"],
      prune: [
        {
          keys: "m:*",
          olderThan: { setting: ["s.json#/a"], unit: "s", default: "4m" },
          age: [{ json: "a.b" }, "idle"],
        },
        { bullmq: "mail", states: ["failed"], olderThan: "7d" },
      ],
    },
    queue: { url: "redis+unix:///run/r.sock?db=1" },
    session: { file: "a.session", adviseAfter: "14d" },
    jobs: [{ module: "jobs/a.mjs", flows: ["clean"], after: "prune-redis" }],
    schedule: [{ name: "n", run: "clean", cron: "5 0 * * *", maxRandomDelay: "1m" }],
    pidNamespace: "trusted",
    nextSteps: ["x"],
  },
];

export const SETTINGS = [
  '{"fetch": {"seconds": 300}}',
  '{"fetch": {"seconds": 0.25, "Seconds": "300"}}',
  '{"fetch": {"seconds": 1e3}}',
  '{"fetch": {"seconds": 1, "seconds": 2}, "__proto__": {"seconds": 5}}',
  '{"fetch": [1, {"seconds": 3}], "seconds": 7}',
];

export const REDIS_URLS = [
  ...[
    "redis://127.0.0.1:6379/0",
    "rediss://user:p%40ss@h.example:6380/15?ssl_cert_reqs=none",
    "redis://[::1]:6379",
  ],
  ...[
    "redis+unix://:secret@/run/redis.sock?db=2",
    "redis+sentinel://h1:26379,h2/mymaster/0?sentinel_password=x",
  ],
  ...["redis+cluster://u:p@h1:7000,h2:7001", "REDIS://h/00001", "redis://h"],
];

const REQUEST = { version: 1, flow: "clean", mode: "apply", hosts: ["h1"], force: false, keepRedis: true };
const TASK = {
  version: 1,
  run: "run-20270131t000500z-abc",
  flow: "stop",
  mode: "plan",
  stage: 0,
  job: "prune-redis",
};

/** What is in the queue. */
export const JOB_DATA = {
  requests: [
    REQUEST,
    { ...REQUEST, hosts: "all", jobs: ["prune-redis", "clean-temp-files"], schedule: "nightly" },
    { version: 1, flow: "shutdown", mode: "plan", hosts: ["a", "b.c-d_e"] },
  ],
  tasks: [
    { ...TASK, force: true, keepRedis: false },
    { ...TASK, host: "web-1", force: false, keepRedis: false },
  ],
  deadlines: [{ run: "run-1", stage: 2 }],
};

const TOTALS = { done: 1, planned: 0, kept: 2, changed: 0, failed: 0, bytes: 5 };
const ITEMS = [{ target: "a.lock", outcome: "kept", reason: "held by pid 4242 (flock)" }];
const RESULT = {
  job: "prune-redis",
  host: "h1",
  status: "done",
  durationMs: 5,
  totals: TOTALS,
  items: ITEMS,
  truncated: false,
};

/** What is kept beside it, in Redis and in a manifest. */
export const STORED = {
  results: [{ report: RESULT }, { report: { ...RESULT, reason: "x" }, refused: true }],
  progresses: [{ totals: TOTALS }, { totals: TOTALS, waitingFor: "celery (pid 1)" }],
  reports: [
    {
      ...{
        version: 1,
        run: "run-1",
        flow: "clean",
        mode: "apply",
        engine: "queue",
        app: "a",
        verdict: "done",
      },
      ...{
        startedAt: "2027-01-31T00:05:00.000Z",
        durationMs: 5,
        hosts: ["h1"],
        unreachable: [],
        jobs: [RESULT],
      },
      ...{ system: null, nextSteps: ["x"] },
    },
  ],
  celery: [
    { "celery@h1": { pid: 4_242, total: {} } },
    { "celery@h1": [{ acknowledged: true }, { id: "x" }], "w@h2": [] },
  ],
  manifests: [
    {
      ...{
        at: "2027-01-31T00:05:00.000Z",
        job: "clean-temp-files",
        host: "h1",
        kind: "file",
        path: "logs/a.log.1",
      },
      ...{ sizeBytes: 5, modifiedAtMs: 1.5, inode: 4_711, reason: "old" },
      ...{ quarantine: "20270131T000500Z-1f0c9ad2b45e6f70-a.log.1" },
    },
  ],
};
