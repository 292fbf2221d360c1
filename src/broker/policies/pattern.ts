import { BrokerError } from '../errors.ts';

/** As long as the longest name. */
export const PATTERN_LENGTH_MAX = 1024;
const RESULTS_MAX = 1024;

let isLinearKnown: boolean | undefined;

/**
 * Whether this process has V8's engine that does not backtrack, for expressions with the flag `l`. It is there if Node
 * runs with `--enable-experimental-regexp-engine`, as `bin/sluice` starts it. Without it, what could backtrack
 * exponentially is refused.
 */
export function hasLinearMatching(): boolean {
  isLinearKnown ??= compiles('', 'l');
  return isLinearKnown;
}

function compiles(source: string, flags: string): boolean {
  try {
    new RegExp(source, flags);
    return true;
  } catch {
    return false;
  }
}

/**
 * A regular expression of a permission, with RabbitMQ's meaning: it may match anywhere in the name, and the empty one
 * matches the empty name alone. What was found out about a name is remembered.
 */
export class Pattern {
  readonly source: string;
  readonly #expression: RegExp;
  readonly #matchesAll: boolean;
  readonly #results = new Map<string, boolean>();

  /** @throws BrokerError precondition-failed if it is not valid */
  constructor(source: string, expanded = source) {
    this.source = source;
    this.#expression = compile(expanded);
    this.#matchesAll = source === '.*';
  }

  matches(name: string): boolean {
    if (this.#matchesAll) return true;
    const known = this.#results.get(name);
    if (known !== undefined) return known;
    const result = this.#expression.test(name);
    // Names can be made up without end.
    if (this.#results.size >= RESULTS_MAX) this.#results.clear();
    this.#results.set(name, result);
    return result;
  }
}

function compile(source: string): RegExp {
  if (source === '') return /^$/;
  if (source.length > PATTERN_LENGTH_MAX) {
    throw invalid(source, `it is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  const inPerl = /\\[AzZGQEKRXhHvVNpP]|\[\[:|\(\?[>#&|+]|\(\?P/.exec(source);
  if (inPerl !== null) throw invalid(source, `'${inPerl[0]}' is not understood here`);
  // RabbitMQ's (PCRE) way to say it for the whole of the expression.
  const ignoresCase = source.startsWith('(?i)');
  const body = ignoresCase ? source.slice('(?i)'.length) : source;
  const flags = ignoresCase ? 'i' : '';
  // The linear engine has no lookahead, backreference or large count.
  if (hasLinearMatching() && compiles(body, `l${flags}`)) return new RegExp(body, `l${flags}`);
  let expression: RegExp;
  try {
    expression = new RegExp(body, flags);
  } catch (error) {
    throw invalid(source, error instanceof Error ? error.message : String(error));
  }
  if (hasNestedRepeat(body)) {
    throw invalid(
      source,
      'it can take for ever to match, as it repeats a group that has a repeat, an option or an alternative in it' +
        (hasLinearMatching()
          ? ''
          : '; with --enable-experimental-regexp-engine, as bin/sluice starts it, Node matches it fast'),
    );
  }
  return expression;
}

/** Whether a repeated group holds a repeat, an option or an alternative: what makes a backtracking matcher exponential. */
function hasNestedRepeat(source: string): boolean {
  const groups: boolean[] = [];
  let isRisky = false;
  for (let at = 0; at < source.length; at++) {
    const char = source[at];
    if (char === '\\') {
      at++;
    } else if (char === '[') {
      at = endOfClass(source, at);
    } else if (char === '(') {
      groups.push(isRisky);
      isRisky = false;
      if (source[at + 1] === '?') at++;
    } else if (char === ')') {
      if (isRisky && /^[*+{]/.test(source.slice(at + 1))) return true;
      isRisky = (groups.pop() ?? false) || isRisky;
    } else if (/[*+?{|]/.test(char)) {
      isRisky = true;
    }
  }
  return false;
}

/** The index of the bracket that ends a character class. */
function endOfClass(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length && source[at] !== ']') at += source[at] === '\\' ? 2 : 1;
  return at;
}

/** A text of the user's that stands for itself in an expression. */
export function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function invalid(source: string, reason: string): BrokerError {
  const shown = source.length > 100 ? `${source.slice(0, 100)}…` : source;
  return new BrokerError('precondition-failed', `'${shown}' is no regular expression: ${reason}`);
}
