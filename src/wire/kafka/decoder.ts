import type { Work } from '../../base/turn-time.ts';
import { type ByteReader, TOO_MANY_FOR_A_STEP } from './byte-reader.ts';
import {
  type Field,
  type Fields,
  type FieldType,
  hasArrays,
  includes,
  type ScalarType,
} from './declaration.ts';

/**
 * Declarations compiled to functions that read one version of a message. Values of a declaration nest only as deep as
 * it does itself, so that no input can make the reading deep.
 */
export type Read = (reader: ByteReader) => unknown;
/** The same as a work, for messages with many elements. */
export type ReadWork = (reader: ByteReader) => Work<unknown>;

/** Elements that are read in one step, those in their own arrays counted with them. */
const ELEMENTS_PER_STEP = 32;
const BYTES_PER_STEP = 16 * 1024;

interface FieldReader {
  readonly name: string;
  /** Null where the version does not have the field. */
  readonly read: Read | null;
  readonly byDefault: unknown;
}

const SCALARS: { readonly [K in ScalarType]: Read } = {
  bool: (reader) => reader.bool(),
  int8: (reader) => reader.int8(),
  int16: (reader) => reader.int16(),
  uint16: (reader) => reader.uint16(),
  int32: (reader) => reader.int32(),
  int64: (reader) => reader.int64(),
  float64: (reader) => reader.float64(),
  uuid: (reader) => reader.uuid(),
};

const SCALAR_BYTES: { readonly [K in ScalarType]: number } = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** Objects come out with all fields in the order of the declaration whatever the version, so that all have one shape. */
export function compileStructReader(fields: Fields, version: number, flexible: boolean): Read {
  const readers = Object.entries(fields).map(([name, field]) => compileField(name, field, version, flexible));
  const tags = flexible ? compileTags(fields, version) : null;
  const { length } = readers;
  return (reader) => {
    const value: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const { name, read, byDefault } = readers[index];
      if (read === null) value[name] = byDefault;
      else {
        reader.field = name;
        value[name] = read(reader);
      }
    }
    if (tags === null) return value;
    if (tags.size === 0) reader.skipTags();
    else readTags(reader, tags, value);
    return value;
  };
}

interface FieldWork extends FieldReader {
  /** Of a field with arrays. */
  readonly work: ReadWork | null;
}

/** As `compileStructReader`; tagged fields, whose arrays are short, are read in one step. */
export function compileStructWork(fields: Fields, version: number, flexible: boolean): ReadWork {
  const readers = Object.entries(fields).map(([name, field]): FieldWork => {
    const reader = compileField(name, field, version, flexible);
    const isLong = reader.read !== null && hasArrays(field.type, version);
    const nullable = isNullable(field, version);
    return { ...reader, work: isLong ? compileWork(field.type, nullable, version, flexible) : null };
  });
  const tags = flexible ? compileTags(fields, version) : null;
  return function* readStruct(reader) {
    const value: Record<string, unknown> = {};
    for (const { name, read, work, byDefault } of readers) {
      reader.field = name;
      if (work !== null) value[name] = yield* work(reader);
      else value[name] = read === null ? byDefault : read(reader);
    }
    if (tags !== null) readTags(reader, tags, value);
    return value;
  };
}

/** Of a type with arrays in it. */
function compileWork(type: FieldType, nullable: boolean, version: number, flexible: boolean): ReadWork {
  if (type.kind === 'struct') {
    const work = compileStructWork(type.fields, version, flexible);
    if (!nullable) return work;
    return function* readNullable(reader) {
      return reader.int8() < 0 ? null : yield* work(reader);
    };
  }
  if (type.kind !== 'array') throw new TypeError(`${type.kind} has no arrays in it`);
  const { of } = type;
  const read = compileReader(of, false, version, flexible);
  const work = hasArrays(of, version) ? compileWork(of, false, version, flexible) : null;
  const bytesMin = minBytes(of, version, flexible);
  return function* readArray(reader) {
    const count = reader.length(flexible);
    if (count < 0) return nullOf(reader, nullable);
    reader.checkElements(count, bytesMin);
    const { field } = reader;
    const values: unknown[] = [];
    let stepBegan = reader.position;
    let stepLeft = reader.elementsLeft;
    for (let index = 0; index < count; index++) {
      reader.field = field;
      const value = work === null ? read(reader) : readShort(reader, read);
      if (value === TOO_MANY_FOR_A_STEP && work !== null) {
        reader.field = field;
        values.push(yield* work(reader));
      } else values.push(value);
      const inner = stepLeft - reader.elementsLeft;
      // Elements may be long texts.
      const isLong = reader.position - stepBegan >= BYTES_PER_STEP || inner >= ELEMENTS_PER_STEP;
      if (index % ELEMENTS_PER_STEP > 0 && !isLong) continue;
      stepBegan = reader.position;
      stepLeft = reader.elementsLeft;
      yield;
    }
    return values;
  };
}

/** An element with arrays, if there are few elements in them: most have one or two, and need no work of their own. */
function readShort(reader: ByteReader, read: Read): unknown {
  const { position, elementsLeft } = reader;
  reader.elementsFloor = Math.max(0, elementsLeft - ELEMENTS_PER_STEP);
  try {
    return read(reader);
  } catch (error) {
    if (error !== TOO_MANY_FOR_A_STEP) throw error;
    reader.position = position;
    reader.elementsLeft = elementsLeft;
    return TOO_MANY_FOR_A_STEP;
  } finally {
    reader.elementsFloor = 0;
  }
}

function compileField(
  name: string,
  field: Field<unknown, unknown, boolean>,
  version: number,
  flexible: boolean,
): FieldReader {
  const isHere = includes(field.versions, version) && field.tag < 0;
  return {
    name,
    read: isHere ? compileReader(field.type, isNullable(field, version), version, flexible) : null,
    byDefault: defaultOf(field),
  };
}

function isNullable(field: Field<unknown, unknown, boolean>, version: number): boolean {
  return includes(field.nullableVersions, version);
}

/** What the field is where nothing is said. Shared by all messages: it must not be altered, and the types say so. */
export function defaultOf(field: Field<unknown, unknown, boolean>): unknown {
  if (field.type.kind !== 'struct' || field.default !== undefined) return field.default;
  const entries = Object.entries(field.type.fields).map(([name, inner]) => [name, defaultOf(inner)]);
  return Object.freeze(Object.fromEntries(entries));
}

function compileReader(type: FieldType, nullable: boolean, version: number, flexible: boolean): Read {
  switch (type.kind) {
    case 'string':
      return nullable ? (reader) => reader.nullableString(flexible) : (reader) => reader.string(flexible);
    case 'bytes':
      return (reader) => {
        const length = reader.length(flexible);
        if (length < 0) return nullOf(reader, nullable);
        const start = reader.take(length);
        return reader.bytes.subarray(start, start + length);
      };
    case 'records':
      return (reader) => {
        const length = reader.length(flexible);
        if (length < 0) return nullOf(reader, nullable);
        const start = reader.take(length);
        return { bytes: reader.bytes, start, end: start + length };
      };
    case 'array':
      return compileArrayReader(type.of, nullable, version, flexible);
    case 'struct': {
      const read = compileStructReader(type.fields, version, flexible);
      // A byte tells whether it is there: -1 for null.
      return nullable ? (reader) => (reader.int8() < 0 ? null : read(reader)) : read;
    }
    default:
      return SCALARS[type.kind];
  }
}

function nullOf(reader: ByteReader, nullable: boolean): null {
  return nullable ? null : reader.failNull();
}

function compileArrayReader(of: FieldType, nullable: boolean, version: number, flexible: boolean): Read {
  const read = compileReader(of, false, version, flexible);
  const bytesMin = minBytes(of, version, flexible);
  return (reader) => {
    const count = reader.length(flexible);
    if (count < 0) return nullOf(reader, nullable);
    reader.checkElements(count, bytesMin);
    const { field } = reader;
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) {
      reader.field = field;
      values.push(read(reader));
    }
    return values;
  };
}

/** The least that a value takes on the wire. */
function minBytes(type: FieldType, version: number, flexible: boolean): number {
  switch (type.kind) {
    case 'string':
      return flexible ? 1 : 2;
    case 'bytes':
    case 'records':
    case 'array':
      return flexible ? 1 : 4;
    case 'struct': {
      let sum = flexible ? 1 : 0;
      for (const field of Object.values(type.fields)) {
        if (field.tag >= 0 || !includes(field.versions, version)) continue;
        const isStruct = field.type.kind === 'struct';
        sum += isStruct && isNullable(field, version) ? 1 : minBytes(field.type, version, flexible);
      }
      return Math.max(1, sum);
    }
    default:
      return SCALAR_BYTES[type.kind];
  }
}

interface TagReader {
  readonly name: string;
  readonly read: Read;
}

function compileTags(fields: Fields, version: number): ReadonlyMap<number, TagReader> {
  const tags = new Map<number, TagReader>();
  for (const [name, field] of Object.entries(fields)) {
    if (field.tag < 0 || !includes(field.versions, version)) continue;
    tags.set(field.tag, { name, read: compileReader(field.type, isNullable(field, version), version, true) });
  }
  return tags;
}

/** KIP-482: a count, and for each field its tag, its size and so many bytes. Unknown ones are skipped. */
function readTags(
  reader: ByteReader,
  tags: ReadonlyMap<number, TagReader>,
  value: Record<string, unknown>,
): void {
  for (let left = reader.tagCount(); left > 0; left--) {
    const known = tags.get(reader.varint());
    const size = reader.varint();
    if (known === undefined) {
      reader.take(size);
      continue;
    }
    reader.field = known.name;
    const end = reader.position + size;
    if (end > reader.end) reader.fail(`needs ${size} bytes, ${reader.end - reader.position} are left`);
    value[known.name] = known.read(reader);
    if (reader.position !== end) reader.fail(`a tagged field that is not as long as it says (${size} bytes)`);
  }
}
