import picomatch from "picomatch";

/*
 * Which paths a glob means. Paths are relative to the root, with "/" between names. A leading dot is an
 * ordinary character, as it is to find(1).
 */

export type Matcher = (path: string) => boolean;

/** `flags: s`: a line break in a name is an ordinary character too, or `data/**` would not protect it. */
const EXACT = { dot: true, strictBrackets: true, flags: "s" } as const;
const GENEROUS = { dot: true, flags: "is" } as const;

/** Whether a path is meant by any of the patterns. Exact: letter case and Unicode form count. */
export function matcherOf(patterns: readonly string[]): Matcher {
  const matchers = patterns.map((pattern) => picomatch(pattern, EXACT));
  return (path) => matchers.some((matches) => matches(path));
}

/**
 * Which pattern of the preserve list protects a path, if one does. Generous on purpose, because it can only
 * keep: case and Unicode form do not count, a glob without "/" holds at any depth, and what lies below a
 * protected path is protected too.
 */
export function preserverOf(patterns: readonly string[]): (path: string) => string | undefined {
  const guards = patterns.map((pattern) => {
    const names = pattern.normalize("NFC").split("/");
    const plain = names.filter((name) => name !== "" && name !== ".").join("/");
    const anywhere = plain.includes("/") ? plain : `**/${plain}`;
    const below = anywhere.endsWith("/**") ? [anywhere, anywhere.slice(0, -3)] : [anywhere, `${anywhere}/**`];
    return { pattern, matches: picomatch(below, GENEROUS) };
  });
  return (path) => {
    const form = path.normalize("NFC");
    return guards.find(({ matches }) => matches(form))?.pattern;
  };
}

/** What may stand for more than one name: `**`, and a group, which may hold a "/". */
const SPANS_NAMES = /\*\*|[{([]/;

/** The way a pattern leads: the names it spells out, and whether it goes anywhere from there. */
interface Route {
  readonly names: readonly Matcher[];
  readonly isOpen: boolean;
}

function routesOf(patterns: readonly string[]): Route[] {
  return patterns.map((pattern) => {
    const names = pattern.split("/").slice(0, -1);
    const open = names.findIndex((name) => SPANS_NAMES.test(name));
    const fixed = open === -1 ? names : names.slice(0, open);
    return { names: fixed.map((name) => picomatch(name, EXACT)), isOpen: open !== -1 };
  });
}

function follows(route: Route, names: readonly string[]): boolean {
  return route.names.every((matches, depth) => {
    const name = names[depth];
    return name === undefined || matches(name);
  });
}

/** Whether anything below the directory `path` could be meant by one of the patterns. */
export function descentOf(patterns: readonly string[]): Matcher {
  const routes = routesOf(patterns);
  return (path) => {
    const names = path.split("/");
    return routes.some(
      (route) => (route.isOpen || names.length <= route.names.length) && follows(route, names),
    );
  };
}

/** Whether one of the patterns spells out the way through the directory `path`. */
export function routeOf(patterns: readonly string[]): Matcher {
  const routes = routesOf(patterns);
  return (path) => {
    const names = path.split("/");
    return routes.some((route) => names.length <= route.names.length && follows(route, names));
  };
}
