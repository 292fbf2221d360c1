/** Names of streams. */
export type Names = ReadonlySet<string>;

export const NO_NAMES: Names = new Set();

/** What the members of a share group read. Those who read the same have the same set. */
export class ShareSubscriptions {
  /** How many members have each set. */
  readonly #members = new Map<Names, number>();
  /** How many sets have each name. */
  readonly #sets = new Map<string, number>();

  /** Whether somebody reads the stream of this name. */
  has(name: string): boolean {
    return this.#sets.has(name);
  }

  /** A member reads these from now on, and not `before`. The set that it has now: `before` if that is the same. */
  change(before: Names, names: Names): Names {
    if (isSame(before, names)) return before;
    const known = this.#known(names);
    this.#add(known);
    this.remove(before);
    return known;
  }

  /** A member is gone. */
  remove(names: Names): void {
    const members = this.#members.get(names);
    if (members === undefined) return;
    if (members > 1) {
      this.#members.set(names, members - 1);
      return;
    }
    this.#members.delete(names);
    for (const name of names) {
      const sets = this.#sets.get(name) ?? 0;
      if (sets > 1) this.#sets.set(name, sets - 1);
      else this.#sets.delete(name);
    }
  }

  #add(names: Names): void {
    if (names.size === 0) return;
    const members = this.#members.get(names) ?? 0;
    this.#members.set(names, members + 1);
    if (members > 0) return;
    for (const name of names) this.#sets.set(name, (this.#sets.get(name) ?? 0) + 1);
  }

  #known(names: Names): Names {
    for (const known of this.#members.keys()) if (isSame(known, names)) return known;
    return names;
  }
}

function isSame(left: Names, right: Names): boolean {
  if (left === right) return true;
  if (left.size !== right.size) return false;
  for (const name of left) if (!right.has(name)) return false;
  return true;
}
