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
