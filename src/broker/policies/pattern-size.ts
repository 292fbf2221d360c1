/** As many as a pattern of the greatest length has that is nothing but names between bars. */
export const PATTERN_STATES_MAX = 1100;
/** What a repeat without a fixed count weighs: a text can be in all of them at the same time. */
const REPEAT_STATES = 16;
/** A class by its Unicode property is hundreds of ranges. */
const PROPERTY_STATES = 16;
const CLASS_STATES = 4;
/** Groups within groups: nobody writes so many, and the engine is recursive. */
const DEPTH_MAX = 100;

/**
 * About as many states as an expression has when its counted repeats are written out; Infinity if groups are nested too
 * deeply. It is known before anything is compiled, which takes time and memory by the states. What is no expression has
 * some number, too.
 */
export function statesOf(source: string): number {
  /** States of the groups that are open, and of the last thing in each, which a repeat would repeat. */
  const open: Group[] = [{ states: 0, last: 0 }];
  for (let at = 0; at < source.length; at++) {
    const group = open[open.length - 1];
    const char = source[at];
    if (char === '(') {
      if (open.length > DEPTH_MAX) return Number.POSITIVE_INFINITY;
      open.push({ states: 0, last: 0 });
    } else if (char === ')' && open.length > 1) {
      open.pop();
      const outer = open[open.length - 1];
      outer.last = group.states + 1;
      outer.states += outer.last;
    } else if (char === '*' || char === '+' || char === '?') {
      become(group, group.last + REPEAT_STATES);
    } else if (char === '{') {
      const count = countAt(source, at);
      if (count === null) atom(group, 1);
      else become(group, group.last * count.least + (group.last + REPEAT_STATES) * count.optional);
    } else if (char === '[') {
      const end = endOfClass(source, at);
      const properties = source.slice(at, end).match(/\\p|\[:/gi)?.length ?? 0;
      atom(group, CLASS_STATES + properties * PROPERTY_STATES);
      at = end;
    } else if (char === '\\') {
      at++;
      atom(group, source[at] === 'p' || source[at] === 'P' ? PROPERTY_STATES : 1);
    } else {
      atom(group, 1);
    }
  }
  return open.reduce((sum, { states }) => sum + states, 0);
}

interface Group {
  states: number;
  last: number;
}

function atom(group: Group, states: number): void {
  group.last = states;
  group.states += states;
}

/** What the last thing in the group comes to with its repeat. */
function become(group: Group, states: number): void {
  group.states += states - group.last;
  group.last = states;
}

/** Of `{n}`, `{n,}` or `{n,m}`; null if it is none of them. */
function countAt(source: string, at: number): { readonly least: number; readonly optional: number } | null {
  const found = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(source.slice(at, at + 24));
  if (found === null) return null;
  const [, first, more, last] = found;
  const least = Number(first);
  if (more === undefined) return { least, optional: 0 };
  return { least, optional: last === '' ? 1 : Math.max(1, Number(last) - least) };
}

/** The index of the bracket that ends a character class. */
function endOfClass(source: string, start: number): number {
  let at = start + 1;
  if (source[at] === '^') at++;
  // A bracket that comes first is one of the characters.
  if (source[at] === ']') at++;
  while (at < source.length && source[at] !== ']') at += source[at] === '\\' ? 2 : 1;
  return at;
}
