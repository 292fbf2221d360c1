import { BrokerError } from '../errors.ts';
import { compileLinear, type Expression, LinearSyntaxError } from './linear-expression.ts';
import { PATTERN_STATES_MAX, statesOf } from './pattern-size.ts';
import { plainExpression } from './plain-expression.ts';

/** In characters: as long as four of the longest names. */
export const PATTERN_LENGTH_MAX = 1024;
const RESULTS_MAX = 1024;
/** What is longer is remembered by nobody: names of queues, exchanges and topics are at most 255 bytes. */
const REMEMBERED_LENGTH_MAX = 255;
/** Characters of a text that states are tried on, in all: some milliseconds. */
const STEPS_MAX = 1_000_000;

export interface PatternOptions {
  /** What is compiled in place of the source. */
  readonly expanded?: string;
  /** It has to match the whole of the text, as in Kafka; otherwise it may match anywhere, as in RabbitMQ. */
  readonly isWhole?: boolean;
}

/**
 * A regular expression of a client or an administrator, in RE2's syntax: it is matched in time linear to the text, and
 * there is no other engine to fall back to. What was found out about a name is remembered. The empty one matches the
 * empty text alone.
 */
export class Pattern {
  readonly source: string;
  /** Why it is none; null if it is one. One that is none matches nothing. */
  readonly problem: string | null = null;
  /** Whether it is the expression for every name. */
  readonly matchesAll: boolean;
  readonly #expression: Expression | null = null;
  readonly #states: number = 1;
  readonly #results = new Map<string, boolean>();

  /** Never throws, so that an old journal can be read: `validPattern` does. */
  constructor(source: string, { expanded = source, isWhole = false }: PatternOptions = {}) {
    this.source = source;
    this.matchesAll = source === '.*';
    if (expanded.length > PATTERN_LENGTH_MAX) {
      this.problem = `it is longer than ${PATTERN_LENGTH_MAX} characters`;
      return;
    }
    const plain = plainExpression(expanded, isWhole);
    if (plain !== null) {
      this.#expression = plain;
      return;
    }
    this.#states = statesOf(expanded);
    if (this.#states > PATTERN_STATES_MAX) {
      this.problem = `it is too large when its repeats are written out; make counts smaller, or use fewer of * and +`;
      return;
    }
    try {
      this.#expression = compileLinear(expanded, isWhole);
    } catch (error) {
      if (!(error instanceof LinearSyntaxError)) throw error;
      this.problem = error.message;
    }
  }

  matches(text: string): boolean {
    if (this.#expression === null) return false;
    if (this.#expression.isPlain) return this.#expression.test(text);
    if (text.length > REMEMBERED_LENGTH_MAX) {
      return this.#states * text.length <= STEPS_MAX && this.#expression.test(text);
    }
    const known = this.#results.get(text);
    if (known !== undefined) return known;
    const result = this.#expression.test(text);
    // Names can be made up without end.
    if (this.#results.size >= RESULTS_MAX) this.#results.clear();
    this.#results.set(text, result);
    return result;
  }
}

/** @throws BrokerError precondition-failed, which says what is wrong with it */
export function validPattern(source: string, options: PatternOptions = {}): Pattern {
  const pattern = new Pattern(source, options);
  if (pattern.problem === null) return pattern;
  const shown = source.length > 100 ? `${source.slice(0, 100)}…` : source;
  throw new BrokerError(
    'precondition-failed',
    `'${shown}' is no regular expression in RE2's syntax: ${pattern.problem}`,
  );
}

/** A text of the user's that stands for itself in an expression. */
export function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
