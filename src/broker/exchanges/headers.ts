import type { Table, Value } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { erlangText, typeName } from '../topology/value-text.ts';
import type { BindingPattern, ExchangeType, Router } from './type.ts';
import { valuesEqual } from './value-equality.ts';

/**
 * AMQP 3.1.3.4: the arguments of a binding are compared with the headers of the message. `x-match` says whether all
 * must agree (the default) or any; keys that begin with `x-` count only with `all-with-x` and `any-with-x`. A null in
 * the binding asks for the header to be there, whatever its value.
 */
export const headersExchange: ExchangeType = {
  name: 'headers',
  usesHeaders: true,
  validateBinding: validateMatch,
  createRouter: <B extends BindingPattern>() => new HeadersRouter<B>(),
};

interface HeaderTest {
  readonly all: boolean;
  readonly expected: readonly (readonly [key: string, value: Value])[];
}

class HeadersRouter<B extends BindingPattern> implements Router<B> {
  readonly #tests = new Map<B, HeaderTest>();

  add(binding: B): void {
    this.#tests.set(binding, compile(binding.arguments));
  }

  remove(binding: B): void {
    this.#tests.delete(binding);
  }

  route(_routingKey: string, headers: Table | null, visit: (binding: B) => void): void {
    const present = headers ?? {};
    for (const [binding, test] of this.#tests) if (passes(test, present)) visit(binding);
  }
}

function compile(args: Table): HeaderTest {
  const match = Object.hasOwn(args, 'x-match') ? args['x-match'] : 'all';
  const withX = match === 'all-with-x' || match === 'any-with-x';
  const expected = Object.entries(args).filter(([key]) =>
    withX ? key !== 'x-match' : !key.startsWith('x-'),
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
