import { isDeepStrictEqual } from 'node:util';
import type { Work } from '../../base/turn-time.ts';
import { ByteWriter } from './byte-writer.ts';
import {
  type ByteRange,
  type Field,
  type Fields,
  type FieldType,
  hasArrays,
  includes,
  type RecordsInput,
  type ScalarType,
} from './declaration.ts';
import { defaultOf } from './decoder.ts';

/** Declarations compiled to functions that write one version of a message: the mirror of decoder.ts. */
export type Write = (writer: ByteWriter, value: unknown) => void;
/** The same as a work, for messages with many elements. */
export type WriteWork = (writer: ByteWriter, value: unknown) => Work<void>;

/** Elements without arrays of their own that are written in one step. */
const ELEMENTS_PER_STEP = 32;

interface FieldWriter {
  readonly name: string;
  readonly tag: number;
  readonly write: Write;
  readonly byDefault: unknown;
}

const SCALARS: { readonly [K in ScalarType]: Write } = {
  bool: (writer, value) => writer.bool(value as boolean),
  int8: (writer, value) => writer.int8(value as number),
  int16: (writer, value) => writer.int16(value as number),
  uint16: (writer, value) => writer.uint16(value as number),
  int32: (writer, value) => writer.int32(value as number),
  int64: (writer, value) => writer.int64(value as number),
  float64: (writer, value) => writer.float64(value as number),
  uuid: (writer, value) => writer.uuid(value as string),
};

/** Fields that the version does not have are passed over. */
export function compileStructWriter(fields: Fields, version: number, flexible: boolean): Write {
  const writers = Object.entries(fields)
    .filter(([, field]) => includes(field.versions, version))
    .map(([name, field]) => compileField(name, field, version, flexible));
  const plain = writers.filter(({ tag }) => tag < 0);
  const tagged = writers.filter(({ tag }) => tag >= 0).sort((a, b) => a.tag - b.tag);
  const { length } = plain;
  return (writer, value) => {
    const struct = value as Readonly<Record<string, unknown>>;
    for (let index = 0; index < length; index++) {
      const { name, write, byDefault } = plain[index];
      const given = struct[name];
      writer.field = name;
      write(writer, given === undefined ? byDefault : given);
    }
    if (flexible) writeTags(writer, tagged, struct);
  };
}

interface FieldWork extends FieldWriter {
  /** Of a field with arrays. */
  readonly work: WriteWork | null;
}

/** As `compileStructWriter`; tagged fields, whose arrays are short, are written in one step. */
export function compileStructWriteWork(fields: Fields, version: number, flexible: boolean): WriteWork {
  const writers = Object.entries(fields)
    .filter(([, field]) => includes(field.versions, version))
    .map(([name, field]): FieldWork => {
      const nullable = includes(field.nullableVersions, version);
      const isLong = hasArrays(field.type, version);
      return {
        ...compileField(name, field, version, flexible),
        work: isLong ? compileWriteWork(field.type, nullable, version, flexible) : null,
      };
    });
  const plain = writers.filter(({ tag }) => tag < 0);
  const tagged = writers.filter(({ tag }) => tag >= 0).sort((a, b) => a.tag - b.tag);
  return function* writeStruct(writer, value) {
    const struct = value as Readonly<Record<string, unknown>>;
    for (const { name, write, work, byDefault } of plain) {
      const given = struct[name];
      writer.field = name;
      const used = given === undefined ? byDefault : given;
      if (work !== null && used !== null) yield* work(writer, used);
      else write(writer, used);
    }
    if (flexible) writeTags(writer, tagged, struct);
  };
}

/** Of a type with arrays in it, and of a value that is not null. */
function compileWriteWork(type: FieldType, nullable: boolean, version: number, flexible: boolean): WriteWork {
  if (type.kind === 'struct') {
    const work = compileStructWriteWork(type.fields, version, flexible);
    return function* writePresent(writer, value) {
      if (nullable) writer.int8(1);
      yield* work(writer, value);
    };
  }
  if (type.kind !== 'array') throw new TypeError(`${type.kind} has no arrays in it`);
  const { of } = type;
  const write = compileWriter(of, false, version, flexible);
  const work = hasArrays(of, version) ? compileWriteWork(of, false, version, flexible) : null;
  return function* writeArray(writer, value) {
    const values = value as readonly unknown[];
    writer.length(values.length, flexible);
    for (let index = 0; index < values.length; index++) {
      const isShort = work === null || !hasManyElements(values[index], ELEMENTS_PER_STEP);
      if (isShort) write(writer, values[index]);
      else yield* work(writer, values[index]);
      if (work !== null || index % ELEMENTS_PER_STEP === 0) yield;
    }
  };
}

/**
 * Whether the arrays of a message have more than `elementsMax` elements in all. It is known after looking at so many;
 * those of arrays that are elements' own are counted by their lengths.
 */
export function hasManyElements(value: unknown, elementsMax: number): boolean {
  return countElements(value, elementsMax) > elementsMax;
}

function countElements(value: unknown, elementsMax: number): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    count = value.length;
    if (typeof value[0] !== 'object') return count;
    for (let index = 0; index < value.length && count <= elementsMax; index++)
      count += countElements(value[index], elementsMax - count);
    return count;
  }
  for (const name in value) {
    count += countElements((value as Readonly<Record<string, unknown>>)[name], elementsMax - count);
    if (count > elementsMax) break;
  }
  return count;
}

function compileField(
  name: string,
  field: Field<unknown, unknown, boolean>,
  version: number,
  flexible: boolean,
): FieldWriter {
  const nullable = includes(field.nullableVersions, version);
  const write = compileWriter(field.type, nullable, version, flexible);
  return { name, tag: field.tag, write, byDefault: defaultOf(field) };
}

function compileWriter(type: FieldType, nullable: boolean, version: number, flexible: boolean): Write {
  switch (type.kind) {
    case 'string':
      return (writer, value) => {
        if (value !== null) writer.text(value as string, flexible);
        else if (nullable) writer.nullString(flexible);
        else failNull(writer);
      };
    case 'bytes':
      return withLength(nullable, flexible, (writer, value) => {
        const bytes = value as Uint8Array;
        writer.length(bytes.length, flexible);
        writer.raw(bytes);
      });
    case 'records':
      return withLength(nullable, flexible, (writer, value) =>
        writeRecords(writer, value as RecordsInput, flexible),
      );
    case 'array': {
      const write = compileWriter(type.of, false, version, flexible);
      return withLength(nullable, flexible, (writer, value) => {
        const values = value as readonly unknown[];
        writer.length(values.length, flexible);
        for (let index = 0; index < values.length; index++) write(writer, values[index]);
      });
    }
    case 'struct': {
      const write = compileStructWriter(type.fields, version, flexible);
      return (writer, value) => {
        if (value === null && !nullable) failNull(writer);
        // A byte tells whether it is there: -1 for null.
        if (nullable) writer.int8(value === null ? -1 : 1);
        if (value !== null) write(writer, value);
      };
    }
    default:
      return SCALARS[type.kind];
  }
}

function withLength(nullable: boolean, flexible: boolean, write: Write): Write {
  return (writer, value) => {
    if (value !== null) write(writer, value);
    else if (nullable) writer.length(-1, flexible);
    else failNull(writer);
  };
}

function failNull(writer: ByteWriter): never {
  return writer.fail('is null, which it may not be in this version');
}

export function writeRecords(writer: ByteWriter, records: RecordsInput, flexible: boolean): void {
  if (records instanceof Uint8Array) {
    writer.length(records.length, flexible);
    writer.reference(records);
  } else if ('bytes' in records) {
    const { bytes, start, end }: ByteRange = records;
    writer.length(end - start, flexible);
    writer.reference(bytes.subarray(start, end));
  } else {
    let length = 0;
    for (const piece of records) length += piece.length;
    writer.length(length, flexible);
    for (const piece of records) writer.reference(piece);
  }
}

/**
 * KIP-482: how many there are, and for each its tag, its size and so many bytes, by increasing tag. Those that have
 * their default are left out. The others are rare, and are written aside first, because the size comes before them.
 */
function writeTags(
  writer: ByteWriter,
  tagged: readonly FieldWriter[],
  struct: Readonly<Record<string, unknown>>,
): void {
  let count = 0;
  for (const field of tagged) if (isGiven(field, struct)) count++;
  writer.varint(count);
  if (count === 0) return;
  for (const field of tagged) {
    if (!isGiven(field, struct)) continue;
    const aside = new ByteWriter();
    aside.subject = writer.subject;
    aside.field = field.name;
    field.write(aside, struct[field.name]);
    writer.varint(field.tag);
    writer.varint(aside.pendingBytes);
    for (const piece of aside.take()) writer.raw(piece);
  }
}

function isGiven({ name, byDefault }: FieldWriter, struct: Readonly<Record<string, unknown>>): boolean {
  const value = struct[name];
  if (value === undefined || value === byDefault) return false;
  return typeof value !== 'object' || !isDeepStrictEqual(value, byDefault);
}
