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

/** A file that was left and is entered again, by a call that goes down: not on the way back. */
export interface Return {
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
 * Calls into a file that was entered before by a file that comes before it in the walk. A call by one that comes after it
 * is the way back; so is one by the event loop.
 */
export function returnsOf(entries: readonly Entry[]): Return[] {
  const order = new Map(stepsOf(entries).map(({ file }, index) => [file, index]));
  const seen = new Set<string>();
  const returns: Return[] = [];
  for (const { file, name, callers } of entries) {
    const [from] = callers;
    const isDown = from !== undefined && from !== file && (order.get(from) ?? -1) < (order.get(file) as number);
    if (isDown && seen.has(file)) returns.push({ file, name, from });
    seen.add(file);
  }
  return returns;
}
