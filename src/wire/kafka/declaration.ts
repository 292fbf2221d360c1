/**
 * How messages are declared: once, for all of their versions, as in the tables of messages/*.ts.
 *
 *     const produce = api(0, 'Produce', '0-13', '9+', {
 *       request: {
 *         transactionalId: string.in('3+').nullable().or(null),
 *         acks: int16,
 *         …
 *
 * Fields are on the wire in the order in which they are declared. Versions are written as the specification writes
 * them: '3', '0-12', '13+'. The types of the messages follow from the declarations: `RequestOf<typeof produce>`.
 */

/** First and last version, both included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export type ScalarType = 'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'int64' | 'float64' | 'uuid';
export type FieldType =
  | { readonly kind: ScalarType | 'string' | 'bytes' | 'records' }
  | { readonly kind: 'array'; readonly of: FieldType }
  | { readonly kind: 'struct'; readonly fields: Fields };

/** A part of a buffer, not copied. */
export interface ByteRange {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What a message to be written may have as records: one range, or pieces that follow one another. */
export type RecordsInput = ByteRange | Uint8Array | readonly Uint8Array[];

const ALL_VERSIONS: VersionRange = { min: 0, max: Infinity };
const NO_VERSIONS: VersionRange = { min: 0, max: -1 };
/** The topic id that says 'none'; ids are in the text form that Kafka shows, base64url without padding. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
/** The largest int64, as near as a number comes to it; it is written as the largest int64. */
export const INT64_MAX: number = 2 ** 63;
/** For authorized operations, a field of bits: the request did not ask for them. */
export const NOT_ASKED = -2147483648;

function parseVersions(text: string): VersionRange {
  if (text === 'none') return NO_VERSIONS;
  const parts = /^(\d+)(\+|-(\d+))?$/.exec(text);
  if (parts === null) throw new TypeError(`'${text}' is not a range of versions`);
  const min = Number(parts[1]);
  if (parts[2] === undefined) return { min, max: min };
  return { min, max: parts[2] === '+' ? Infinity : Number(parts[3]) };
}

export function includes(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

/** Whether values of the type have arrays in them, tagged fields aside. */
export function hasArrays(type: FieldType, version: number): boolean {
  if (type.kind === 'array') return true;
  if (type.kind !== 'struct') return false;
  return Object.values(type.fields).some(
    (field) => field.tag < 0 && includes(field.versions, version) && hasArrays(field.type, version),
  );
}

interface FieldOptions {
  readonly versions: VersionRange;
  readonly nullableVersions: VersionRange;
  readonly default: unknown;
  readonly tag: number;
}

/**
 * One field. `Out` is what decoding gives, `In` what encoding takes, `Optional` whether encoding lets it be left out.
 * What is left out, and what a message of the version at hand does not have, is the default: the one declared, or
 * else false, 0, '', nothing in it.
 */
export class Field<Out, In = Out, Optional extends boolean = false> {
  /** For the compiler only. */
  declare readonly types: { readonly out: Out; readonly in: In; readonly optional: Optional };
  readonly type: FieldType;
  /** The versions whose messages have the field. */
  readonly versions: VersionRange;
  readonly nullableVersions: VersionRange;
  readonly default: unknown;
  /** Of a tagged field (KIP-482); -1 if it is none. */
  readonly tag: number;

  constructor(type: FieldType, options: FieldOptions) {
    this.type = type;
    this.versions = options.versions;
    this.nullableVersions = options.nullableVersions;
    this.default = options.default;
    this.tag = options.tag;
  }

  /** Only these versions have the field. */
  in(versions: string): Field<Out, In, true> {
    return new Field(this.type, { ...this, versions: parseVersions(versions) });
  }

  /** May be null, in all versions or in these. */
  nullable(versions = '0+'): Field<Out | null, In | null, Optional> {
    return new Field(this.type, { ...this, nullableVersions: parseVersions(versions) });
  }

  /** Has a default of its own. */
  or(value: Out): Field<Out, In, true> {
    return new Field(this.type, { ...this, default: value });
  }

  tagged(tag: number): Field<Out, In, true> {
    return new Field(this.type, { ...this, tag });
  }
}

export type Fields = { readonly [name: string]: Field<unknown, unknown, boolean> };

/** What decoding gives for these fields: all of them, in every version. */
export type StructOf<F extends Fields> = { readonly [K in keyof F]: F[K]['types']['out'] };

type OptionalNames<F extends Fields> = {
  [K in keyof F]: true extends F[K]['types']['optional'] ? K : never;
}[keyof F];

/** What encoding takes: fields with a default, and those that only some versions have, may be left out. */
export type StructInput<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: F[K]['types']['in'];
} & { readonly [K in OptionalNames<F>]?: F[K]['types']['in'] | undefined };

function scalar<T>(kind: Exclude<FieldType['kind'], 'array' | 'struct'>, byDefault: unknown): Field<T> {
  return new Field({ kind }, plain(byDefault));
}

function plain(byDefault: unknown): FieldOptions {
  return { versions: ALL_VERSIONS, nullableVersions: NO_VERSIONS, default: byDefault, tag: -1 };
}

const NOTHING = Buffer.alloc(0);

export const bool = scalar<boolean>('bool', false);
export const int8 = scalar<number>('int8', 0);
export const int16 = scalar<number>('int16', 0);
export const uint16 = scalar<number>('uint16', 0);
export const int32 = scalar<number>('int32', 0);
/** A number; what is beyond 2^53 is rounded to one. */
export const int64 = scalar<number>('int64', 0);
export const float64 = scalar<number>('float64', 0);
/** 22 characters of base64url. */
export const uuid = scalar<string>('uuid', ZERO_UUID);
export const string = scalar<string>('string', '');
/** Decoded to a view of the frame. */
export const bytes: Field<Buffer, Uint8Array> = new Field({ kind: 'bytes' }, plain(NOTHING));
/** Record batches, or what a client takes for such: see produced-batch.ts. Neither decoding nor encoding copies them. */
export const records: Field<ByteRange, RecordsInput> = new Field(
  { kind: 'records' },
  plain({ bytes: NOTHING, start: 0, end: 0 }),
);

/** Of structs, given their fields, or of values. */
export function array<F extends Fields>(of: F): Field<readonly StructOf<F>[], readonly StructInput<F>[]>;
export function array<Out, In>(of: Field<Out, In, boolean>): Field<readonly Out[], readonly In[]>;
export function array(of: Fields | Field<unknown, unknown, boolean>): Field<unknown> {
  const element: FieldType = of instanceof Field ? of.type : { kind: 'struct', fields: of };
  return new Field({ kind: 'array', of: element }, plain(Object.freeze([])));
}

export function struct<F extends Fields>(fields: F): Field<StructOf<F>, StructInput<F>> {
  return new Field({ kind: 'struct', fields }, plain(undefined));
}

/** The fields of the structs at the end of a path of arrays: `fieldsAt(fetch.request.fields, 'topics', 'partitions')`. */
export function fieldsAt(fields: Fields, ...path: readonly string[]): Fields {
  for (const name of path) {
    const { type } = fields[name];
    if (type.kind !== 'array' || type.of.kind !== 'struct')
      throw new TypeError(`${name} is no array of structs`);
    fields = type.of.fields;
  }
  return fields;
}

export interface MessageVersions {
  /** The versions that are declared; which of them are served is the server's affair. */
  readonly versions: VersionRange;
  /** Those with compact lengths and tagged fields (KIP-482). */
  readonly flexible: VersionRange;
}

export interface Message<F extends Fields = Fields> extends MessageVersions {
  /** For errors: 'Produce request'. */
  readonly name: string;
  readonly fields: F;
}

export interface Api<Q extends Fields = Fields, S extends Fields = Fields> extends MessageVersions {
  readonly key: number;
  readonly name: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}

export type MessageOf<M extends Message> = StructOf<M['fields']>;
export type MessageInput<M extends Message> = StructInput<M['fields']>;
export type RequestOf<A extends Api> = MessageOf<A['request']>;
export type RequestInput<A extends Api> = MessageInput<A['request']>;
export type ResponseInput<A extends Api> = MessageInput<A['response']>;

/**
 * Declares a message that is no request or response. `versions` are all that are declared, `flexible` those with
 * compact lengths and tagged fields.
 */
export function message<F extends Fields>(
  name: string,
  versions: string,
  flexible: string,
  fields: F,
): Message<F> {
  return { name, versions: parseVersions(versions), flexible: parseVersions(flexible), fields };
}

/** Declares an API, as `message`: its requests and its responses have the same versions. */
export function api<Q extends Fields, S extends Fields>(
  key: number,
  name: string,
  versions: string,
  flexible: string,
  fields: { readonly request: Q; readonly response: S },
): Api<Q, S> {
  const request = message(`${name} request`, versions, flexible, fields.request);
  const response = message(`${name} response`, versions, flexible, fields.response);
  return { key, name, versions: request.versions, flexible: request.flexible, request, response };
}
