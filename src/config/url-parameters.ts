/** Why a text is not the URL it should be. The message never quotes the URL, which may hold a password. */
export class UrlFault extends Error {}

/** The parameters of a URL, taken one by one, so that what nobody asked for can be refused. */
export class UrlParameters {
  readonly #left: Map<string, string>;
  readonly #known: string[] = [];

  constructor(query: string) {
    const pairs = [...new URLSearchParams(query)];
    this.#left = new Map(pairs);
    if (pairs.length > this.#left.size) throw new UrlFault("each parameter is expected once");
  }

  /** The value of a parameter, decoded; an empty one counts as absent. */
  take(name: string): string | undefined {
    const value = this.#left.get(name);
    this.#left.delete(name);
    this.#known.push(name);
    return value === "" ? undefined : value;
  }

  /** Throws when a parameter is left that nobody took. */
  refuseOthers(): void {
    if (this.#left.size === 0) return;
    const known = this.#known.length === 0 ? "no parameters are" : `only ${this.#known.join(", ")} are`;
    throw new UrlFault(`${known} known behind the "?" of such a URL: another one would be ignored`);
  }
}
