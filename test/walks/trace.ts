/** What the traced process is told, one at a time; it answers each. */
export type Order = 'learn' | 'arm' | 'start' | 'stop';

/** A function was entered. */
export interface Entry {
  readonly file: string;
  readonly name: string;
  /** The files of the functions that called it, the innermost first; none if the event loop did. */
  readonly callers: readonly string[];
}

/** One file of a walk. */
export interface Step {
  readonly file: string;
  /** In the order of their first calls. */
  readonly functions: readonly string[];
}

/** A file that a second file calls on the way down. */
export interface Detour {
  readonly file: string;
  readonly name: string;
  readonly from: string;
}

/** The files in the order in which they are first entered. */
export function stepsOf(entries: readonly Entry[]): Step[] {
  const found = new Map<string, Set<string>>();
  for (const { file, name } of entries) {
    const functions = found.get(file) ?? new Set<string>();
    found.set(file, functions.add(name === '' ? '(anonymous)' : name));
  }
  return Array.from(found, ([file, functions]) => ({ file, functions: [...functions] }));
}

/**
 * Calls into a file that another file led to before: who reads along comes to it twice. How often a file calls the one
 * below it does not count, nor do calls by files further on in the walk, or by the event loop: these are the way back.
 */
export function detoursOf(entries: readonly Entry[]): Detour[] {
  const order = new Map(stepsOf(entries).map(({ file }, index) => [file, index]));
  const leaders = new Map<string, string | undefined>();
  const detours: Detour[] = [];
  for (const { file, name, callers } of entries) {
    const [from] = callers;
    if (from === file) continue;
    if (!leaders.has(file)) {
      leaders.set(file, from);
    } else if (from !== undefined && from !== leaders.get(file) && order.get(from)! < order.get(file)!) {
      detours.push({ file, name, from });
    }
  }
  return detours;
}
