/*
 * The parsers once more, slow and obvious: character by character, word by word. What they say is what a parser must say.
 */

const isDigit = (character: string | undefined) =>
  character !== undefined && character.length === 1 && character >= "0" && character <= "9";
const isNumber = (text: string | undefined): text is string =>
  text !== undefined && text !== "" && [...text].every(isDigit);
const isInteger = (text: string) => isNumber(text.startsWith("-") ? text.slice(1) : text);

const BLANKS = [9, 10, 11, 12, 13, 32, 160];

export function pidFile(content: Buffer): number | undefined {
  if (content.length > 64) return undefined;
  const bytes = [...content];
  while (BLANKS.includes(bytes[0] ?? -1)) bytes.shift();
  while (BLANKS.includes(bytes.at(-1) ?? -1)) bytes.pop();
  const text = String.fromCharCode(...bytes);
  if (!isNumber(text) || text.length > 7) return undefined;
  return Number(text) >= 1 && Number(text) <= 4_194_304 ? Number(text) : undefined;
}

/** The state, and the numbers that decide, of a line of /proc/<pid>/stat. */
export function stat(text: string) {
  const opening = text.indexOf("(");
  const closing = text.lastIndexOf(")");
  if (opening < 2 || closing < opening) return undefined;
  if (text[opening - 1] !== " " || !isNumber(text.slice(0, opening - 1))) return undefined;
  let end = text.length;
  while (end > 0 && /\s/.test(text[end - 1] ?? "")) end -= 1;
  const [first, state = "", ...numbers] = text.slice(closing + 1, end).split(" ");
  if (first !== "" || state.length !== 1) return undefined;
  const letter = state.toUpperCase();
  if (letter < "A" || letter > "Z" || state > "z" || numbers.length < 19) return undefined;
  if (!numbers.every(isInteger)) return undefined;
  const others = state === "Z" && Number(numbers[16]) > 1;
  return {
    parentPid: Number(numbers[0]),
    sessionId: Number(numbers[2]),
    startTicks: Number(numbers[18]),
    isAlive: others || (state !== "Z" && letter !== "X"),
  };
}

export function status(text: string) {
  const values = (key: string): number[] => {
    for (const line of text.split("\n")) {
      if (line.slice(0, key.length) !== key) continue;
      const rest = line.slice(key.length).replaceAll("\t", " ");
      if (!rest.startsWith(" ")) return [];
      const words = rest.split(" ").filter((word) => word !== "");
      return words.every(isNumber) ? words.map(Number) : [];
    }
    return [];
  };
  const [processId] = values("Tgid:");
  const ownerIds = values("Uid:").slice(0, 2);
  if (processId === undefined || ownerIds.length < 2) return undefined;
  return { processId, ownerIds, pids: values("NSpid:") };
}

const hex = (text: string) => {
  const digits = Number(text).toString(16);
  return digits.length < 2 ? `0${digits}` : digits;
};

export function mounts(text: string): [number, { device: string; type: string }][] {
  const found = new Map<number, { device: string; type: string }>();
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    let separator = 6;
    while (separator < words.length && words[separator] !== "-") separator += 1;
    const [major, minor, more] = (words[2] ?? "").split(":");
    const type = words[separator + 1];
    if (!isNumber(words[0]) || !isNumber(major) || !isNumber(minor) || more !== undefined) continue;
    if (separator >= words.length || type === undefined || type === "") continue;
    found.set(Number(words[0]), { device: `${hex(major)}:${hex(minor)}`, type });
  }
  return [...found];
}

export function locks(text: string) {
  return text.split("\n").flatMap((line) => {
    const words = line.split(/\s+/);
    const number = words.shift() ?? "";
    if (words[0] === "->") words.shift();
    const [kind = "", , , pid = "", subject = "", start] = words;
    const [major = "", minor = "", inode, more] = subject.split(":");
    const isHex = (digits: string) =>
      digits !== "" && [...digits].every((one) => "0123456789abcdef".includes(one));
    const isKind = kind !== "" && kind[0] === kind[0]?.toUpperCase() && !/[^A-Za-z0-9_]/.test(kind);
    if (!number.endsWith(":") || !isNumber(number.slice(0, -1)) || !isKind || !/[A-Z]/.test(kind[0] ?? ""))
      return [];
    if (!isInteger(pid) || !isHex(major) || !isHex(minor) || !isNumber(inode) || more !== undefined)
      return [];
    if (start === undefined) return [];
    return [{ kind: kind.toLowerCase(), pid: Number(pid), device: `${major}:${minor}`, inode }];
  });
}

/** The mount and the inode of a text of /proc/<pid>/fdinfo/<fd>. */
export function descriptor(text: string) {
  const value = (key: string, digits: number) => {
    const line = text.split("\n").find((one) => one.slice(0, key.length) === key);
    const word = line?.slice(key.length).trimStart();
    return isNumber(word) && word.length <= digits ? word : undefined;
  };
  const mountId = value("mnt_id:", 15);
  return { mountId: mountId === undefined ? undefined : Number(mountId), inode: value("ino:", 20) };
}

/** The milliseconds of a JSON setting: at its steps, else the default; anything but a number above 0 is refused. */
export function settingIn(bytes: Buffer, steps: readonly string[], defaultMs: number, unitMs: number) {
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) return "refused"; // no UTF-8
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text);
  } catch {
    return "refused";
  }
  for (const step of steps) {
    if (typeof value !== "object" || value === null) return defaultMs;
    value = new Map(Object.entries(value)).get(step);
    if (value === undefined) return defaultMs;
  }
  if (typeof value !== "number" || !(value > 0)) return "refused";
  const ms = Math.round(value * unitMs);
  return ms >= 1 && ms <= Number.MAX_SAFE_INTEGER ? ms : "refused";
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const isLetterOrDigit = (one: string) => LETTERS.includes(one) || isDigit(one);
const isBoolean = (value: unknown) => value === true || value === false;

function isName(value: unknown): boolean {
  if (typeof value !== "string" || value.length < 1 || value.length > 63) return false;
  const [first = "", ...others] = value.split("");
  return isLetterOrDigit(first) && others.every((one) => isLetterOrDigit(one) || "._-".includes(one));
}

function isNames(value: unknown, most: number): boolean {
  return Array.isArray(value) && value.length >= 1 && value.length <= most && value.every(isName);
}

function isRunId(value: unknown): boolean {
  if (typeof value !== "string" || !value.startsWith("run-")) return false;
  const rest = value.slice(4).split("");
  return (
    rest.length >= 1 && rest.length <= 200 && rest.every((one) => isLetterOrDigit(one) || "._-".includes(one))
  );
}

const isWhole = (value: unknown) => typeof value === "number" && Math.floor(value) === value && value >= 0;
const isFlow = (value: unknown) => value === "shutdown" || value === "stop" || value === "clean";
const isMode = (value: unknown) => value === "plan" || value === "apply";

/** Every key of a mapping by its rule; a key without a rule is one too many. */
function isMapping(value: unknown, rules: Readonly<Record<string, (value: unknown) => boolean>>): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const keys = new Map(Object.entries(value));
  const known = new Map(Object.entries(rules));
  return (
    [...keys.keys()].every((key) => known.has(key)) &&
    [...known].every(([key, isRight]) => isRight(keys.get(key)))
  );
}

const orAbsent = (isRight: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || isRight(value);

export function isRequest(data: unknown): boolean {
  const isHosts = (value: unknown) =>
    value === "all" ||
    (isNames(value, 10_000) && Array.isArray(value) && value.length === new Set(value).size);
  return isMapping(data, {
    version: (value) => value === 1,
    ...{ flow: isFlow, mode: isMode, hosts: isHosts },
    jobs: orAbsent((value) => isNames(value, 100)),
    ...{ schedule: orAbsent(isName), force: orAbsent(isBoolean), keepRedis: orAbsent(isBoolean) },
  });
}

export function isTask(data: unknown): boolean {
  return isMapping(data, {
    version: (value) => value === 1,
    ...{ run: isRunId, flow: isFlow, mode: isMode, job: isName, host: orAbsent(isName) },
    stage: (value) => isWhole(value) && Number(value) <= 100,
    ...{ force: isBoolean, keepRedis: isBoolean },
  });
}

export function isDeadline(data: unknown): boolean {
  return isMapping(data, {
    run: (value) => typeof value === "string",
    stage: (value) => isWhole(value) && Number(value) <= Number.MAX_SAFE_INTEGER,
  });
}
