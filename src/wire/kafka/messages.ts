import type { Work } from '../../base/turn-time.ts';
import { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { type Fields, includes, type Message, type StructInput, type StructOf } from './declaration.ts';
import { compileStructReader, compileStructWork, type Read, type ReadWork } from './decoder.ts';
import { compileStructWriter, compileStructWriteWork, type Write, type WriteWork } from './encoder.ts';
import { KafkaWireError } from './errors.ts';
import { fetchRequestReader, fetchResponseWriter } from './hot-fetch.ts';
import { produceRequestReader, produceResponseWriter } from './hot-produce.ts';
import { fetch } from './messages/fetch.ts';
import { produce } from './messages/produce.ts';

interface Compiled {
  readonly subject: string;
  readonly read: Read;
  readonly write: Write;
  /** Made when a message is long for the first time. */
  readWork: ReadWork | null;
  writeWork: WriteWork | null;
}

/** Written by hand, and held against the declarations by tests. */
const readers = new Map<Message, (version: number) => Read>([
  [produce.request, produceRequestReader],
  [fetch.request, fetchRequestReader],
]);
const writers = new Map<Message, (version: number) => Write>([
  [produce.response, produceResponseWriter],
  [fetch.response, fetchResponseWriter],
]);

const compiled = new WeakMap<Message, (Compiled | undefined)[]>();

/** Compiled when it is first needed: most of the versions of most messages never are. */
function compiledOf(message: Message, version: number): Compiled {
  let versions = compiled.get(message);
  if (versions === undefined) compiled.set(message, (versions = []));
  return (versions[version] ??= compile(message, version));
}

function compile(message: Message, version: number): Compiled {
  if (!Number.isInteger(version) || !includes(message.versions, version)) {
    throw new KafkaWireError(`${message.name}: there is no version ${version}`);
  }
  const flexible = isFlexible(message, version);
  return {
    subject: `${message.name} v${version}`,
    read: readers.get(message)?.(version) ?? compileStructReader(message.fields, version, flexible),
    write: writers.get(message)?.(version) ?? compileStructWriter(message.fields, version, flexible),
    readWork: null,
    writeWork: null,
  };
}

/** Whether the version has compact lengths and tagged fields (KIP-482). */
export function isFlexible(message: Message, version: number): boolean {
  return includes(message.flexible, version);
}

/**
 * Reads a message that must end exactly at `end`, or before it if that is allowed. `bytes` and `records` in it are views of the buffer. Fields that the
 * version does not have are there with their defaults. Throws KafkaWireError.
 */
export function decodeMessage<F extends Fields>(
  message: Message<F>,
  version: number,
  bytes: Buffer,
  start: number,
  end: number,
  mayBeLonger = false,
): StructOf<F> {
  const { subject, read } = compiledOf(message, version);
  const reader = new ByteReader(bytes, start, end, subject);
  const value = read(reader);
  reader.field = '';
  if (!mayBeLonger) reader.expectEnd();
  // The compiled reader has followed the very declaration that the type is derived from.
  return value as StructOf<F>;
}

/** Writes a message without frame or header. If it cannot be encoded, nothing is written and a KafkaWireError says why. */
export function encodeMessage<F extends Fields>(
  writer: ByteWriter,
  message: Message<F>,
  version: number,
  value: StructInput<F>,
): void {
  const { subject, write } = compiledOf(message, version);
  const mark = writer.mark();
  writer.subject = subject;
  writer.field = '';
  try {
    write(writer, value);
  } catch (error) {
    writer.rewind(mark);
    throw error;
  }
}

/** As `decodeMessage`, in steps. */
export function* decodeMessageWork<F extends Fields>(
  message: Message<F>,
  version: number,
  bytes: Buffer,
  start: number,
  end: number,
): Work<StructOf<F>> {
  const known = compiledOf(message, version);
  known.readWork ??= compileStructWork(message.fields, version, isFlexible(message, version));
  const reader = new ByteReader(bytes, start, end, known.subject);
  return (yield* known.readWork(reader)) as StructOf<F>;
}

/** As `encodeMessage`, in steps, and to a writer of its own: what was written stays there if it cannot be encoded. */
export function* encodeMessageWork<F extends Fields>(
  writer: ByteWriter,
  message: Message<F>,
  version: number,
  value: StructInput<F>,
): Work<void> {
  const known = compiledOf(message, version);
  known.writeWork ??= compileStructWriteWork(message.fields, version, isFlexible(message, version));
  writer.subject = known.subject;
  writer.field = '';
  yield* known.writeWork(writer, value);
}
