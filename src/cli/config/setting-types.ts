import { isIPv6 } from 'node:net';
import { formatDuration, millisecondsIn, parseDuration, type TimeUnit } from '../../base/duration.ts';
import { ALL_OBJECT_LIMITS, type ObjectLimits } from '../../broker/budget/object-limits.ts';
import { isAddressOrNetwork } from '../../servers/listener/trusted-proxies.ts';

/**
 * The kinds of values that settings have. Whatever the source (a TOML scalar, an environment variable, a flag), a
 * value arrives as text, so that all three accept the same spellings.
 */
export interface SettingType<T> {
  /** What may be written, for messages and documentation: 'a number from 1 to 65535'. */
  readonly allowed: string;
  /** Shown after the flag: `--amqp-port PORT`. */
  readonly placeholder: string;
  /** Undefined if the text is not one of the allowed values. */
  parse(text: string): T | undefined;
  /** Of several values with commas between them, for messages: the first that is not allowed. */
  wrongPart?(text: string): string | undefined;
  /** A TOML list is taken too. */
  readonly isList?: true;
  /** The text that `parse` turns into this value again. */
  format(value: T): string;
}

export type Durability =
  | { readonly mode: 'sync' }
  | { readonly mode: 'interval'; readonly intervalMs: number }
  | { readonly mode: 'os' };

export type ListenerPort = number | 'off';

/** `auto`: see `shardsOf`. */
export type ShardCount = number | 'auto';

const SHARDS_MAX = 64;
const SHARDS_AUTO_MAX = 16;

export const shardCount: SettingType<ShardCount> = {
  allowed: `a whole number from 1 to ${SHARDS_MAX}, or auto`,
  placeholder: 'N',
  parse: (value) => (value === 'auto' ? 'auto' : within(parseInteger(value), 1, SHARDS_MAX)),
  format: String,
};

/** How many shards that is on a machine with so many cores. */
export function shardsOf(count: ShardCount, cores: number): number {
  return count === 'auto' ? Math.min(SHARDS_AUTO_MAX, Math.max(1, cores - 1)) : count;
}

const SIZE_UNITS: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

function parseInteger(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

export function text(placeholder: string, allowed: string): SettingType<string> {
  return {
    allowed,
    placeholder,
    parse: (value) => (value === '' ? undefined : value),
    format: (value) => value,
  };
}

/** Without a port, and without the brackets that an IPv6 address has before one. */
export const hostName: SettingType<string> = {
  allowed: 'a host name or an IP address, without a port',
  placeholder: 'HOST',
  parse: (value) => (/^[^\s:[\]/,]+$/.test(value) || isIPv6(value) ? value : undefined),
  format: (value) => value,
};

export function integer(min: number, max: number, meaning = ''): SettingType<number> {
  return {
    allowed: `a whole number from ${min} to ${max}${meaning && ` (${meaning})`}`,
    placeholder: 'N',
    parse: (value) => within(parseInteger(value), min, max),
    format: String,
  };
}

const UNIT_NAMES: { readonly [unit in TimeUnit]: string } = {
  ms: 'milliseconds',
  s: 'seconds',
  m: 'minutes',
  h: 'hours',
  d: 'days',
};

const DURATION_EXAMPLES = ['500ms', '90s', '30m', '12h', '7d'];

/**
 * A time, kept in `unit`, which a number without a unit is of as well; `min` and `max` are in it too. `zero`: what 0 means
 * where it is allowed beside them. With `isWhole`, only whole numbers of the unit, as where a protocol has no others.
 */
export function duration(
  unit: TimeUnit,
  { min, max, zero, isWhole = false }: { min: number; max: number; zero?: string; isWhole?: boolean },
): SettingType<number> {
  const unitMs = millisecondsIn(unit);
  const format = (value: number) => formatDuration(Math.round(value * unitMs));
  const parse = (text: string): number | undefined => {
    const milliseconds = parseDuration(text, unit);
    if (milliseconds === undefined) return undefined;
    const value = milliseconds / unitMs;
    if (value === 0 && zero !== undefined) return 0;
    return isWhole && !Number.isInteger(value) ? undefined : within(value, min, max);
  };
  const examples = DURATION_EXAMPLES.filter((each) => parse(each) !== undefined);
  const whole = isWhole ? ` in whole ${UNIT_NAMES[unit]}` : '';
  return {
    allowed:
      `a time from ${format(min)} to ${format(max)}${whole}, such as ${examples.join(', ')}; ` +
      `a plain number is ${UNIT_NAMES[unit]}${zero === undefined ? '' : `; 0 = ${zero}`}`,
    placeholder: 'TIME',
    parse,
    format,
  };
}

export function choice<const T extends string>(...values: readonly T[]): SettingType<T> {
  return {
    allowed: values.join(', '),
    placeholder: 'NAME',
    parse: (value) => values.find((each) => each === value),
    format: (value) => value,
  };
}

/** Bytes; `min` and `max` are bytes too. Units are binary, and KB, MB and GB are taken for the same. */
export function size(min: number, max = Number.MAX_SAFE_INTEGER): SettingType<number> {
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${formatSize(max)}`;
  return {
    allowed: `a size such as 64MiB, 512KiB, 2GiB or a plain number of bytes, at least ${formatSize(min)}${upTo}`,
    placeholder: 'SIZE',
    parse(value) {
      const match = /^(\d{1,12}) ?(?:([kmg])i?b)?$/i.exec(value);
      if (match === null) return undefined;
      const letter = match[2]?.toUpperCase();
      const unit = SIZE_UNITS.find(([name]) => name[0] === letter)?.[1] ?? 1;
      return within(Number(match[1]) * unit, min, max);
    },
    format: formatSize,
  };
}

function formatSize(bytes: number): string {
  for (const [name, unit] of SIZE_UNITS) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${name}`;
  }
  return `${bytes}`;
}

/** As `size`; null for `auto`. */
export function sizeOrAuto(min: number): SettingType<number | null> {
  const bytes = size(min);
  return {
    allowed: `${bytes.allowed}, or auto`,
    placeholder: 'SIZE',
    parse: (value) => (value === 'auto' ? null : bytes.parse(value)),
    format: (value) => (value === null ? 'auto' : bytes.format(value)),
  };
}

export const listenerPort: SettingType<ListenerPort> = {
  allowed: 'a port from 1 to 65535, 0 for any free one, off for none',
  placeholder: 'PORT',
  parse: (value) => (value === 'off' ? 'off' : within(parseInteger(value), 0, 65_535)),
  format: String,
};

/** Where clients are sent to; without a port, to that of the listener. */
export interface AdvertisedAddress {
  readonly host: string;
  readonly port: number | null;
}

export const advertisedAddress: SettingType<AdvertisedAddress | null> = {
  allowed: 'a host, or a host and a port such as broker.example:9092, or none',
  placeholder: 'HOST',
  parse(value) {
    if (value === 'none') return null;
    const match = /^(?:\[([^[\]\s]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/.exec(value);
    if (match === null) return undefined;
    const port = match[3] === undefined ? null : within(Number(match[3]), 1, 65_535);
    return port === undefined ? undefined : { host: (match[1] ?? match[2]) as string, port };
  },
  format(value) {
    if (value === null) return 'none';
    const host = value.host.includes(':') ? `[${value.host}]` : value.host;
    return value.port === null ? host : `${host}:${value.port}`;
  },
};

export const optionalFile: SettingType<string | null> = {
  allowed: 'the path of a file, or none',
  placeholder: 'FILE',
  parse: (value) => (value === '' ? undefined : value === 'none' ? null : value),
  format: (value) => value ?? 'none',
};

export function optionalText(placeholder: string, meaning: string): SettingType<string | null> {
  return {
    allowed: `${meaning}, or none`,
    placeholder,
    parse: (value) => (value === '' ? undefined : value === 'none' ? null : value),
    format: (value) => value ?? 'none',
  };
}

/** Who stands for clients that have not logged in: `auto` for guest where only this machine can connect, else nobody. */
export type AnonymousUser = 'auto' | { readonly name: string | null };

export const anonymousUser: SettingType<AnonymousUser> = {
  allowed: 'auto, the name of a user, or none',
  placeholder: 'USER',
  parse(value) {
    if (value === '') return undefined;
    return value === 'auto' ? 'auto' : { name: value === 'none' ? null : value };
  },
  format: (value) => (value === 'auto' ? value : (value.name ?? 'none')),
};

export const names: SettingType<readonly string[]> = {
  isList: true,
  allowed: 'names with commas between them, or none',
  placeholder: 'NAMES',
  parse(value) {
    if (value === 'none') return [];
    const parts = value.split(',').map((each) => each.trim());
    return parts.includes('') ? undefined : parts;
  },
  format: (value) => (value.length === 0 ? 'none' : value.join(',')),
};

/** IP addresses and networks. */
export const addresses: SettingType<readonly string[]> = {
  ...names,
  allowed: 'addresses and networks such as 10.0.0.0/8 or fd00::/8, with commas between them, or none',
  placeholder: 'ADDRESSES',
  parse(value) {
    const parts = names.parse(value);
    return parts?.every(isAddressOrNetwork) ? parts : undefined;
  },
  wrongPart: (value) => value.split(',').find((part) => !isAddressOrNetwork(part.trim())),
};

/** `queues=20000,memory=100MiB`: only what is named is other than usual. */
export const objectLimits: SettingType<ObjectLimits> = {
  isList: true,
  allowed: `limits such as queues=20000,memory=100MiB, with commas between them, or none; there are ${ALL_OBJECT_LIMITS.join(', ')}; off = no limit`,
  placeholder: 'LIMITS',
  parse(value) {
    if (value === 'none') return {};
    const parts = value.split(',').map(objectLimit);
    return parts.includes(undefined) ? undefined : Object.fromEntries(parts as [string, number][]);
  },
  wrongPart: (value) => value.split(',').find((part) => objectLimit(part) === undefined),
  format(value) {
    const parts = Object.entries(value).map(([limit, max]) => {
      if (max === Number.POSITIVE_INFINITY) return `${limit}=off`;
      return `${limit}=${limit === 'memory' ? formatSize(max) : max}`;
    });
    return parts.length === 0 ? 'none' : parts.join(',');
  },
};

function objectLimit(part: string): [string, number] | undefined {
  const match = /^\s*([a-z-]+)\s*=\s*(\S.*?)\s*$/.exec(part);
  if (match === null || !(ALL_OBJECT_LIMITS as readonly string[]).includes(match[1])) return undefined;
  const [, limit, text] = match;
  if (text === 'off') return [limit, Number.POSITIVE_INFINITY];
  const max = limit === 'memory' ? size(0).parse(text) : parseInteger(text);
  return max === undefined ? undefined : [limit, max];
}

/** A part of the machine's memory, or an amount of it. */
export type MemoryAlarm = { readonly fraction: number } | { readonly bytes: number } | 'off';

const memorySize = size(32 * 2 ** 20);

export const memoryAlarm: SettingType<MemoryAlarm> = {
  allowed: "a part of the machine's memory such as 0.4, above 0 and at most 1, a size such as 2GiB, or off",
  placeholder: 'MARK',
  parse(value) {
    if (value === 'off') return 'off';
    if (/^(0?\.\d{1,6}|1(\.0{1,6})?)$/.test(value)) {
      const fraction = Number(value);
      return fraction > 0 ? { fraction } : undefined;
    }
    const bytes = memorySize.parse(value);
    return bytes === undefined ? undefined : { bytes };
  },
  format(value) {
    if (value === 'off') return value;
    return 'fraction' in value ? String(value.fraction) : formatSize(value.bytes);
  },
};

export const durability: SettingType<Durability> = {
  allowed: 'sync, interval:<time> (from 1ms to 1m; a plain number is milliseconds), os',
  placeholder: 'MODE',
  parse(value) {
    if (value === 'sync' || value === 'os') return { mode: value };
    if (!value.startsWith('interval:')) return undefined;
    const intervalMs = within(parseDuration(value.slice('interval:'.length), 'ms'), 1, 60_000);
    return intervalMs === undefined ? undefined : { mode: 'interval', intervalMs };
  },
  format: (value) =>
    value.mode === 'interval' ? `interval:${formatDuration(value.intervalMs)}` : value.mode,
};
