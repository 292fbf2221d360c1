import { createRequire } from 'node:module';

export interface Expression {
  /** It is as fast as it can be, and nothing about it is worth remembering. */
  readonly isPlain: boolean;
  test(text: string): boolean;
}

/** The expression is not one of RE2's; the message says why. */
export class LinearSyntaxError extends Error {}

type Engine = Pick<typeof import('re2js'), 'RE2JS' | 'RE2JSException'>;

let loaded: Engine | null = null;

/** Loaded with the first expression that needs it, in 12 ms: most brokers never have one. */
function engine(): Engine {
  loaded ??= createRequire(import.meta.url)('re2js') as Engine;
  return loaded;
}

/** @throws LinearSyntaxError */
export function compileLinear(source: string, isWhole: boolean): Expression {
  const { RE2JS, RE2JSException } = engine();
  try {
    const compiled = RE2JS.compile(source);
    const test = isWhole
      ? (text: string): boolean => compiled.matches(text)
      : (text: string): boolean => compiled.test(text);
    return { isPlain: false, test };
  } catch (error) {
    if (error instanceof RE2JSException) throw new LinearSyntaxError(error.message);
    throw error;
  }
}
