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
