/** How a share group behaves: what is set for the group, by Kafka's names, and else what is usual there. */
export interface ShareSettings {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** How long a member may hold a record before somebody else gets it. */
  readonly lockMs: number;
  /** Whether a member may ask for more time. */
  readonly mayRenew: boolean;
  /** How often a record is handed out before it is given up. */
  readonly deliveriesMax: number;
  /** Records of one partition that are held, or were given back, and not done with. */
  readonly recordsMax: number;
  /** Where the group begins on a partition that it did not read before. */
  readonly reset: ShareReset;
  /** Whether records of transactions that did not end, or were aborted, are handed out. */
  readonly readsUncommitted: boolean;
  /** The stream that takes what is given up; null: it is dropped. */
  readonly deadLetterStream: string | null;
  /** How long a record that failed waits before it is handed out again: doubled each time; 0 for not at all. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export type ShareReset =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  /** What is at most that old. */
  | { readonly kind: 'duration'; readonly ms: number };

/** What a setting is, for those who list and check settings. */
export interface GroupConfig {
  readonly name: string;
  readonly type: 'int' | 'string' | 'boolean';
  readonly defaultValue: string;
  readonly documentation: string;
  /** What is wrong with a value; null if nothing is. */
  fault(value: string): string | null;
}

/** `min` and `max` are possible too. */
export function integer(
  name: string,
  defaultValue: number,
  min: number,
  max: number,
  documentation: string,
): GroupConfig {
  return {
    name,
    type: 'int',
    defaultValue: String(defaultValue),
    documentation,
    fault: (value) => {
      if (!/^-?\d+$/.test(value.trim()))
        return `Invalid value ${value} for configuration ${name}: Not a number of type INT`;
      const number = Number(value);
      if (number < min)
        return `Invalid value ${value} for configuration ${name}: Value must be at least ${min}`;
      if (number > max)
        return `Invalid value ${value} for configuration ${name}: Value must be no more than ${max}`;
      return null;
    },
  };
}

function oneOf(
  name: string,
  type: 'string' | 'boolean',
  values: readonly string[],
  documentation: string,
): GroupConfig {
  return {
    name,
    type,
    defaultValue: values[0],
    documentation,
    fault: (value) =>
      values.includes(value.trim().toLowerCase())
        ? null
        : `Invalid value ${value} for configuration ${name}: String must be one of: ${values.join(', ')}`,
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
const STREAM_NAME = /^[a-zA-Z0-9._-]{1,249}$/;

export const DEAD_LETTER_TOPIC = 'sluice.dead.letter.topic';

export const SHARE_CONFIGS: readonly GroupConfig[] = [
  integer(
    'share.session.timeout.ms',
    45_000,
    1000,
    HOUR_MS,
    'How long a member may be silent before it is out of the share group.',
  ),
  integer(
    'share.heartbeat.interval.ms',
    5000,
    100,
    HOUR_MS,
    'How often a member of a share group says that it is there.',
  ),
  integer(
    'share.record.lock.duration.ms',
    30_000,
    1000,
    HOUR_MS,
    'How long a member may hold a record before it is handed to another one.',
  ),
  oneOf(
    'share.renew.acknowledge.enable',
    'boolean',
    ['true', 'false'],
    'Whether members may ask for more time for a record.',
  ),
  integer(
    'share.delivery.count.limit',
    5,
    1,
    1000,
    'How often a record is handed out before it is given up, and goes to the dead-letter topic if there is one.',
  ),
  integer(
    'share.partition.max.record.locks',
    2000,
    1,
    100_000,
    'How many records of one partition may be handed out, or wait to be handed out again, at one time.',
  ),
  {
    name: 'share.auto.offset.reset',
    type: 'string',
    defaultValue: 'latest',
    documentation:
      'Where the group begins on a partition that is new to it: earliest, latest, or by_duration:<ISO 8601 duration>.',
    fault: (value) =>
      parseReset(value) === null
        ? `Invalid value ${value} for configuration share.auto.offset.reset: it must be 'earliest', 'latest', or 'by_duration:PnDTnHnMn.nS'`
        : null,
  },
  oneOf(
    'share.isolation.level',
    'string',
    ['read_uncommitted', 'read_committed'],
    'Whether records of transactions that were not committed are handed out.',
  ),
  {
    name: DEAD_LETTER_TOPIC,
    type: 'string',
    defaultValue: '',
    documentation:
      'The topic that gets records which were rejected, or handed out too often, with headers that say why. It is made if it is not there. Empty: they are dropped.',
    fault: (value) =>
      value === '' || (STREAM_NAME.test(value) && value !== '.' && value !== '..')
        ? null
        : `Invalid value ${value} for configuration sluice.dead.letter.topic: it is not the name of a topic`,
  },
  integer(
    'sluice.retry.backoff.ms',
    0,
    0,
    DAY_MS,
    'How long a record that was released, or whose lock ran out, waits before it is handed out again; doubled with each attempt.',
  ),
  integer(
    'sluice.retry.backoff.max.ms',
    60_000,
    0,
    DAY_MS,
    'The longest that a record waits to be handed out again.',
  ),
];

const byName = new Map(SHARE_CONFIGS.map((config) => [config.name, config]));

/** `configs`: what is set for the group; valid. */
export function shareSettings(configs: ReadonlyMap<string, string>): ShareSettings {
  const text = (name: string): string => (configs.get(name) ?? byName.get(name)?.defaultValue ?? '').trim();
  const number = (name: string): number => Number(text(name));
  return {
    sessionTimeoutMs: number('share.session.timeout.ms'),
    heartbeatIntervalMs: number('share.heartbeat.interval.ms'),
    lockMs: number('share.record.lock.duration.ms'),
    mayRenew: text('share.renew.acknowledge.enable').toLowerCase() === 'true',
    deliveriesMax: number('share.delivery.count.limit'),
    recordsMax: number('share.partition.max.record.locks'),
    reset: parseReset(text('share.auto.offset.reset')) ?? { kind: 'latest' },
    readsUncommitted: text('share.isolation.level').toLowerCase() === 'read_uncommitted',
    deadLetterStream: text(DEAD_LETTER_TOPIC) || null,
    backoffMs: number('sluice.retry.backoff.ms'),
    backoffMsMax: number('sluice.retry.backoff.max.ms'),
  };
}

function parseReset(value: string): ShareReset | null {
  const text = value.trim();
  if (text === 'earliest' || text === 'latest') return { kind: text };
  const duration = /^by_duration:(.*)$/.exec(text)?.[1];
  const ms = duration === undefined ? null : durationMs(duration);
  return ms === null ? null : { kind: 'duration', ms };
}

/** As java.time.Duration reads it: P2DT3H4M5.6S; null if it is none, or negative. */
function durationMs(text: string): number | null {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$/i.exec(text);
  if (parts === null || /[PT]$/i.test(text)) return null;
  const [days, hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  return Math.round((((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000);
}
