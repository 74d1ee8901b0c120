import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { messageOf, type Problem } from "../errors.ts";
import type { ConfigPath } from "./config-path.ts";
import { redactText } from "./redact.ts";

/** A config file that was read: its value, and where each part of it stands. */
export interface Source {
  readonly value: unknown;
  /** `safe-shutdown.yaml:12` for what the file says at this path; `undefined` when it says nothing there. */
  placeOf(path: ConfigPath): string | undefined;
  /** The line to look at for a path: its own, or that of the nearest part of the file around it. */
  lineNear(path: ConfigPath): number;
  /** What makes the text unreadable; the value means nothing then. */
  readonly problems: readonly Problem[];
  /** What was read, but probably means something else. */
  readonly warnings: readonly Problem[];
}

/** Reads YAML 1.2, and so JSON. Anchors and `<<` are understood; two documents or two equal keys are problems. */
export function readSource(name: string, text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    logLevel: "error",
  });
  const problemAt = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { path: `${name}:${line}:${col}`, ...explain(message) };
  };
  const problems = document.errors.map((error) => problemAt(error.pos[0], error.message));
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      problems.push(problemAt(offsetOfUnresolvedAlias(document) ?? 0, messageOf(error)));
    }
    if (value === null) problems.push(emptyFile(name));
  }
  const lineOf = (path: ConfigPath): number | undefined => {
    const node = nodeAt(document, path);
    return node?.range ? lines.linePos(node.range[0]).line : undefined;
  };
  return {
    value,
    problems,
    warnings: document.warnings.map((warning) => problemAt(warning.pos[0], warning.message)),
    placeOf(path) {
      const line = lineOf(path);
      return line === undefined ? undefined : `${name}:${line}`;
    },
    lineNear(path) {
      for (let length = path.length; length > 0; length--) {
        const line = lineOf(path.slice(0, length));
        if (line !== undefined) return line;
      }
      return 1;
    },
  };
}

function emptyFile(name: string): Problem {
  return {
    path: name,
    message: "expected a config, found an empty file",
    hint: 'the least it can say is "app: my-app"; "safe-shutdown init" writes a commented one',
  };
}

/** The parser's message without what it quotes of the file, and what usually helps. */
function explain(message: string): Pick<Problem, "message" | "hint"> {
  if (message.startsWith("Unresolved alias")) {
    return {
      message: "expected an anchor (&name) before this alias (*name), found none",
      hint: 'a text that starts with "*" needs quotes: "*.pid"',
    };
  }
  if (message.startsWith("Source contains multiple documents")) {
    return { message: 'expected one document, found a second after "---"', hint: "write everything in one" };
  }
  if (message === "Map keys must be unique") {
    return { message: "expected each key once, found this one a second time", hint: "remove one of the two" };
  }
  return { message: redactText(message.replace(/: ".*$/s, "")) };
}

function offsetOfUnresolvedAlias(document: Document): number | undefined {
  const seen: Node[] = [document.contents].filter(isNode);
  for (let node = seen.pop(); node !== undefined; node = seen.pop()) {
    if (isAlias(node) && node.resolve(document) === undefined) return node.range?.[0];
    if (isMap(node)) seen.push(...node.items.flatMap((pair) => [pair.value, pair.key]).filter(isNode));
    if (isSeq(node)) seen.push(...node.items.filter(isNode));
  }
  return undefined;
}

/** The node at a path: a key's own position for a mapping's entry, through aliases and merges. */
function nodeAt(document: Document, path: ConfigPath): Node | undefined {
  let node = follow(document, document.contents);
  let place = node;
  for (const step of path) {
    if (isMap(node)) {
      const pair = pairOf(document, node, String(step));
      place = isNode(pair?.key) ? pair.key : undefined;
      node = follow(document, pair?.value);
    } else if (isSeq(node) && typeof step === "number") {
      const item = node.items[step];
      place = isNode(item) ? item : undefined;
      node = follow(document, item);
    } else {
      return undefined;
    }
    if (place === undefined) return undefined;
  }
  return place;
}

function pairOf(document: Document, map: YAMLMap, key: string): Pair | undefined {
  const own = map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
  if (own !== undefined) return own;
  const merged = map.items.find((pair) => isScalar(pair.key) && pair.key.source === "<<");
  const from = follow(document, merged?.value);
  return isMap(from) ? pairOf(document, from, key) : undefined;
}

function follow(document: Document, node: unknown): Node | undefined {
  if (isAlias(node)) return node.resolve(document);
  return isNode(node) ? node : undefined;
}
