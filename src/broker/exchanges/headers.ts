import type { Table, Value } from '../../base/value.ts';
import { equalityKey, valuesEqual } from '../../base/value-equality.ts';
import { erlangText, typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';
import type { RoutedMessage } from '../messages/property-codec.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';

/**
 * AMQP 3.1.3.4: the arguments of a binding are compared with the headers of the message. `x-match` says whether all
 * must agree (the default) or any; keys that begin with `x-` count only with `all-with-x` and `any-with-x`. A null in
 * the binding asks for the header to be there, whatever its value.
 */
export const headersExchange: ExchangeType = {
  name: 'headers',
  validateBinding: validateMatch,
  createRouter: <B extends BindingPattern>() => new HeadersRouter<B>(),
};

type Expectation = readonly [key: string, value: Value];

interface HeaderTest {
  readonly all: boolean;
  readonly expected: readonly Expectation[];
  /** By which of them the binding is found. */
  readonly index: readonly Expectation[];
}

/** What says how to compare, and from when on: no message is asked for it. */
const OWN_ARGUMENTS: ReadonlySet<string> = new Set(['x-match', 'x-replay-from']);

const noHeaders: Table = Object.create(null) as Table;

/**
 * Bindings are found by a header that a message must have for them to match: for `all` one of those expected, for `any`
 * each of them. So the work grows with the headers of a message and with the bindings that come close, and not with
 * all that there are.
 *
 *     #byHeader   key ──▶ value ──▶ bindings      #unconditional   `all` with nothing expected
 *                     └─▶ present ─▶ bindings      (a binding that expects null)
 */
class HeadersRouter<B extends BindingPattern> implements Router<B> {
  readonly isKeyed = false;
  readonly takesEveryKey = false;
  /** Bindings that were compared. */
  routeSteps = 0;
  readonly #tests = new Map<B, HeaderTest>();
  readonly #unconditional = new Set<B>();
  readonly #byHeader = new Map<string, Candidates<B>>();

  add(binding: B): void {
    const compiled = compile(binding.arguments);
    const test = { ...compiled, index: this.#index(compiled) };
    this.#tests.set(binding, test);
    if (test.all && test.expected.length === 0) this.#unconditional.add(binding);
    for (const expectation of test.index) this.#candidates(expectation[0]).add(expectation, binding);
  }

  remove(binding: B): void {
    const test = this.#tests.get(binding);
    if (test === undefined) return;
    this.#tests.delete(binding);
    this.#unconditional.delete(binding);
    for (const expectation of test.index) {
      const candidates = this.#byHeader.get(expectation[0]);
      candidates?.remove(expectation, binding);
      if (candidates?.isEmpty === true) this.#byHeader.delete(expectation[0]);
    }
  }

  route(_routingKey: string, message: RoutedMessage, visit: (binding: B) => void): void {
    for (const binding of this.#unconditional) visit(binding);
    if (this.#byHeader.size === 0) return;
    const headers = message.headers() ?? noHeaders;
    const found = new Set<B>();
    this.routeSteps = 1;
    for (const key of Object.keys(headers)) {
      const candidates = this.#byHeader.get(key);
      if (candidates === undefined) continue;
      const value = headers[key];
      for (const binding of candidates.whenPresent) this.#compare(binding, headers, found);
      for (const binding of candidates.with(value)) this.#compare(binding, headers, found);
    }
    for (const binding of found) visit(binding);
  }

  #compare(binding: B, headers: Table, found: Set<B>): void {
    const test = this.#tests.get(binding) as HeaderTest;
    this.routeSteps += test.expected.length;
    if (passes(test, headers)) found.add(binding);
  }

  /** One is enough where all must agree: that which the fewest bindings ask for. */
  #index({ all, expected }: Omit<HeaderTest, 'index'>): readonly Expectation[] {
    if (!all || expected.length < 2) return expected;
    let [best] = expected;
    let least = Number.POSITIVE_INFINITY;
    for (const expectation of expected) {
      const count = this.#byHeader.get(expectation[0])?.count(expectation) ?? 0;
      if (count < least) [best, least] = [expectation, count];
    }
    return [best];
  }

  #candidates(key: string): Candidates<B> {
    const candidates = this.#byHeader.get(key) ?? new Candidates<B>();
    this.#byHeader.set(key, candidates);
    return candidates;
  }
}

const NONE: readonly never[] = [];

/** The bindings that expect something of one header. */
class Candidates<B> {
  readonly #byValue = new Map<string, Set<B>>();
  readonly whenPresent = new Set<B>();

  get isEmpty(): boolean {
    return this.#byValue.size === 0 && this.whenPresent.size === 0;
  }

  add([, value]: Expectation, binding: B): void {
    if (value === null) {
      this.whenPresent.add(binding);
      return;
    }
    const key = equalityKey(value);
    const bindings = this.#byValue.get(key);
    if (bindings === undefined) this.#byValue.set(key, new Set([binding]));
    else bindings.add(binding);
  }

  remove([, value]: Expectation, binding: B): void {
    if (value === null) {
      this.whenPresent.delete(binding);
      return;
    }
    const key = equalityKey(value);
    const bindings = this.#byValue.get(key);
    bindings?.delete(binding);
    if (bindings?.size === 0) this.#byValue.delete(key);
  }

  /** Of those that expect the same. */
  count([, value]: Expectation): number {
    return value === null ? this.whenPresent.size : (this.#byValue.get(equalityKey(value))?.size ?? 0);
  }

  with(value: Value): Iterable<B> {
    return value === null ? NONE : (this.#byValue.get(equalityKey(value)) ?? NONE);
  }
}

function compile(args: Table): Omit<HeaderTest, 'index'> {
  const match = Object.hasOwn(args, 'x-match') ? args['x-match'] : 'all';
  const withX = match === 'all-with-x' || match === 'any-with-x';
  const expected = Object.entries(args).filter(([key]) =>
    withX ? !OWN_ARGUMENTS.has(key) : !key.startsWith('x-'),
  );
  return { all: match !== 'any' && match !== 'any-with-x', expected };
}

/** With nothing expected, `all` passes and `any` does not. */
function passes(test: HeaderTest, headers: Table): boolean {
  for (const [key, value] of test.expected) {
    const agrees = Object.hasOwn(headers, key) && (value === null || valuesEqual(value, headers[key]));
    if (agrees !== test.all) return agrees;
  }
  return test.all;
}

function validateMatch(_routingKey: string, args: Table): void {
  if (!Object.hasOwn(args, 'x-match')) return;
  const match = args['x-match'];
  if (typeof match !== 'string') {
    throw new BrokerError(
      'precondition-failed',
      `Invalid x-match field type ${typeName(match)} (value ${erlangText(match)}); expected longstr`,
    );
  }
  if (match === 'all' || match === 'any' || match === 'all-with-x' || match === 'any-with-x') return;
  throw new BrokerError(
    'precondition-failed',
    `Invalid x-match field value ${erlangText(match)}; expected all, any, all-with-x, or any-with-x`,
  );
}
