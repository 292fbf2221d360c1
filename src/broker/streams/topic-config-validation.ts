import { resolveSettings } from './stream-settings.ts';
import { listOf, type TopicConfig, topicConfig } from './topic-configs.ts';

const INT_MAX = 2 ** 31 - 1;
const LONG_LIMIT = 2n ** 63n;

/** What is wrong with one setting, in Kafka's words; null if nothing is. */
export function validateConfig(name: string, value: string): string | null {
  const config = topicConfig(name);
  if (config === undefined) return `Unknown topic config name: ${name}`;
  const problem = problemWith(config, value);
  return problem === null ? null : `Invalid value ${value} for configuration ${name}: ${problem}`;
}

/** What is wrong with all that is set for one stream; null if nothing is. */
export function validateConfigs(configs: ReadonlyMap<string, string>): string | null {
  for (const [name, value] of configs) {
    const problem = validateConfig(name, value);
    if (problem !== null) return problem;
  }
  const { compactionLagMsMin, compactionLagMsMax } = resolveSettings(configs);
  if (compactionLagMsMin > compactionLagMsMax) {
    return (
      `conflict topic config setting min.compaction.lag.ms (${compactionLagMsMin}) > ` +
      `max.compaction.lag.ms (${compactionLagMsMax})`
    );
  }
  if (configs.get('remote.storage.enable')?.trim().toLowerCase() === 'true') {
    return (
      'Tiered Storage functionality is disabled in the broker. ' +
      'Topic cannot be configured with remote log storage.'
    );
  }
  return null;
}

/** As it is kept and shown: without white space around it, lists without white space in between. */
export function normalizeConfig(name: string, value: string): string {
  return topicConfig(name)?.type === 'list' ? listOf(value).join(',') : value.trim();
}

function problemWith(config: TopicConfig, given: string): string | null {
  const value = given.trim();
  return problemOfType(config, value) ?? config.check?.(value) ?? null;
}

function problemOfType({ type, min, max, choices }: TopicConfig, value: string): string | null {
  switch (type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? null : 'Expected value to be either true or false';
    case 'int':
      if (!/^[+-]?\d{1,10}$/.test(value) || Math.abs(Number(value)) > INT_MAX)
        return 'Not a number of type INT';
      return outside(Number(value), min, max);
    case 'long':
      if (!/^[+-]?\d{1,19}$/.test(value) || !isLong(value)) return 'Not a number of type LONG';
      return outside(Number(value), min, max);
    case 'double':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return 'Not a number of type DOUBLE';
      return outside(Number(value), min, max);
    case 'string':
      return choices === undefined || choices.includes(value)
        ? null
        : `String must be one of: ${choices.join(', ')}`;
    case 'list':
      return problemOfList(listOf(value), choices);
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

function isLong(value: string): boolean {
  const number = BigInt(value.replace(/^\+/, ''));
  return number >= -LONG_LIMIT && number < LONG_LIMIT;
}
