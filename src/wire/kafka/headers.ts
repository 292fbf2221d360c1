import type { Work } from '../../base/turn-time.ts';
import { API_VERSIONS_KEY, apiByKey } from './apis.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Api, Fields, StructInput, StructOf } from './declaration.ts';
import {
  decodeMessage,
  decodeMessageWork,
  encodeMessage,
  encodeMessageWork,
  isFlexible,
} from './messages.ts';

/**
 * Every frame begins with its length, an int32, and a header:
 *
 *     request    apiKey int16 | apiVersion int16 | correlationId int32   header version 0, and the start of all
 *                | clientId int16 length, text                          version 1
 *                | tagged fields                                        version 2, for flexible versions of an API
 *     response   correlationId int32                                    header version 0
 *                | tagged fields                                        version 1, for flexible versions of an API
 *
 * The client's id keeps its old form in version 2, and the response of ApiVersions the old header in all versions:
 * so each side can read as much as that from a peer of any age (KIP-511).
 */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Undefined if it is not declared here: then `clientId` and `bodyStart` mean nothing. */
  readonly api: Api | undefined;
  readonly bodyStart: number;
}

export const FRAME_LENGTH_BYTES = 4;

/** Reads the header of the request in a frame, whose length is not part of it. The version need not be a known one. */
export function decodeRequestHeader(bytes: Buffer, start: number, end: number): RequestHeader {
  const reader = new ByteReader(bytes, start, end, 'request header');
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = apiByKey(apiKey);
  let clientId = null;
  if (api !== undefined) {
    reader.field = 'clientId';
    const length = reader.int16();
    if (length >= 0) clientId = reader.text(length);
    reader.field = 'tagged fields';
    if (isFlexible(api.request, apiVersion)) reader.skipTags();
  }
  return { apiKey, apiVersion, correlationId, clientId, api, bodyStart: reader.position };
}

/**
 * Reads the body of a request; `start` is the header's `bodyStart`. Bytes behind it are ignored, as Kafka does: librdkafka
 * leaves three there when it asks for all topics.
 */
export function decodeRequest<Q extends Fields>(
  api: Api<Q>,
  version: number,
  bytes: Buffer,
  start: number,
  end: number,
): StructOf<Q> {
  return decodeMessage(api.request, version, bytes, start, end, true);
}

/** As `decodeRequest`, in steps. */
export function decodeRequestWork<Q extends Fields>(
  api: Api<Q>,
  version: number,
  bytes: Buffer,
  start: number,
  end: number,
): Work<StructOf<Q>> {
  return decodeMessageWork(api.request, version, bytes, start, end);
}

/** As `encodeResponse`, in steps: the pieces of a whole frame. Stops with a KafkaWireError at `bytesMax`. */
export function* encodeResponseWork<S extends Fields>(
  api: Api<Fields, S>,
  version: number,
  correlationId: number,
  response: StructInput<S>,
  bytesMax: number,
): Work<readonly Buffer[]> {
  const writer = new ByteWriter();
  writer.ensure(FRAME_LENGTH_BYTES);
  const { buffer, position } = writer;
  writer.position += FRAME_LENGTH_BYTES;
  writer.int32(correlationId);
  if (hasTaggedResponseHeader(api, version)) writer.varint(0);
  for (const wait of encodeMessageWork(writer, api.response, version, response)) {
    if (writer.pendingBytes > bytesMax) {
      writer.field = '';
      writer.fail(`an answer of more than ${bytesMax} bytes; ask for fewer things in one request`);
    }
    yield wait;
  }
  buffer.writeInt32BE(writer.pendingBytes - FRAME_LENGTH_BYTES, position);
  return writer.take();
}

/** Writes a whole frame. If the response cannot be encoded, nothing is written and a KafkaWireError says why. */
export function encodeResponse<S extends Fields>(
  writer: ByteWriter,
  api: Api<Fields, S>,
  version: number,
  correlationId: number,
  response: StructInput<S>,
): void {
  writeFrame(writer, () => {
    writer.int32(correlationId);
    if (hasTaggedResponseHeader(api, version)) writer.varint(0);
    encodeMessage(writer, api.response, version, response);
  });
}

function hasTaggedResponseHeader(api: Api, version: number): boolean {
  return api.key !== API_VERSIONS_KEY && isFlexible(api.response, version);
}

/** What a client sends. */
export function encodeRequest<Q extends Fields>(
  writer: ByteWriter,
  api: Api<Q>,
  version: number,
  correlationId: number,
  clientId: string | null,
  request: StructInput<Q>,
): void {
  writeFrame(writer, () => {
    writer.int16(api.key);
    writer.int16(version);
    writer.int32(correlationId);
    if (clientId === null) writer.int16(-1);
    else writer.text(clientId, false);
    if (isFlexible(api.request, version)) writer.varint(0);
    encodeMessage(writer, api.request, version, request);
  });
}

/** What a client reads from a frame: the correlation id first, for it says which API and version the rest has. */
export function responseCorrelationId(bytes: Buffer, start: number, end: number): number {
  return new ByteReader(bytes, start, end, 'response header').int32();
}

export function decodeResponse<S extends Fields>(
  api: Api<Fields, S>,
  version: number,
  bytes: Buffer,
  start: number,
  end: number,
): StructOf<S> {
  const reader = new ByteReader(bytes, start, end, 'response header');
  reader.int32();
  if (hasTaggedResponseHeader(api, version)) reader.skipTags();
  return decodeMessage(api.response, version, bytes, reader.position, end);
}

/** The length comes first and is known last; pieces of output never move, so it can be filled in where it was. */
function writeFrame(writer: ByteWriter, writeBody: () => void): void {
  const mark = writer.mark();
  const before = writer.pendingBytes;
  writer.ensure(FRAME_LENGTH_BYTES);
  const { buffer, position } = writer;
  writer.position += FRAME_LENGTH_BYTES;
  try {
    writeBody();
  } catch (error) {
    writer.rewind(mark);
    throw error;
  }
  buffer.writeInt32BE(writer.pendingBytes - before - FRAME_LENGTH_BYTES, position);
}
