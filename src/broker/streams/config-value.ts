/** Values of Kafka's configs are texts; what they may be is a rule for each, as in Kafka's ConfigDef. */

export type ConfigType =
  | 'boolean'
  | 'string'
  | 'int'
  | 'short'
  | 'long'
  | 'double'
  | 'list'
  | 'class'
  | 'password';

/** What a setting does here: changes what the broker does, or is kept and shown and means nothing on one node. */
export type ConfigEffect = 'has-effect' | 'no-effect';

export interface ConfigRule {
  readonly type: ConfigType;
  /** Bounds of a number. */
  readonly min?: number;
  readonly max?: number;
  /** The words that a string may be, or that a list may have. */
  readonly choices?: readonly string[];
  /** Says what else is wrong with a value of the right type. */
  readonly check?: (value: string) => string | null;
}

/** The largest 64-bit integer stands for 'never', or 'no limit'. */
export const LONG_MAX = '9223372036854775807';

const WHOLE_LIMITS = { short: 2n ** 15n, int: 2n ** 31n, long: 2n ** 63n } as const;

/** The values of a config of type list. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** As it is kept and shown: without white space around it, lists without white space in between. */
export function normalValue({ type }: ConfigRule, value: string): string {
  return type === 'list' ? listOf(value).join(',') : value.trim();
}

/** What is wrong with the value, in Kafka's words; null if nothing is. */
export function problemOfValue(rule: ConfigRule, given: string): string | null {
  const value = given.trim();
  return problemOfType(rule, value) ?? rule.check?.(value) ?? null;
}

function problemOfType({ type, min, max, choices }: ConfigRule, value: string): string | null {
  switch (type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? null : 'Expected value to be either true or false';
    case 'short':
    case 'int':
    case 'long':
      return isWhole(value, WHOLE_LIMITS[type])
        ? outside(Number(value), min, max)
        : `Not a number of type ${type.toUpperCase()}`;
    case 'double':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return 'Not a number of type DOUBLE';
      return outside(Number(value), min, max);
    case 'string':
      return choices === undefined || choices.includes(value)
        ? null
        : `String must be one of: ${choices.join(', ')}`;
    case 'list':
      return problemOfList(listOf(value), choices);
    case 'class':
    case 'password':
      return null;
  }
}

function problemOfList(values: readonly string[], choices: readonly string[] | undefined): string | null {
  if (choices === undefined) return null;
  if (!values.every((each) => choices.includes(each))) return `String must be one of: ${choices.join(', ')}`;
  return new Set(values).size === values.length ? null : 'List values must not be duplicated';
}

function outside(value: number, min: number | undefined, max: number | undefined): string | null {
  if (min !== undefined && value < min) return `Value must be at least ${min}`;
  if (max !== undefined && value > max) return `Value must be no more than ${max}`;
  return null;
}

function isWhole(value: string, limit: bigint): boolean {
  if (!/^[+-]?\d{1,19}$/.test(value)) return false;
  const number = BigInt(value.replace(/^\+/, ''));
  return number >= -limit && number < limit;
}
