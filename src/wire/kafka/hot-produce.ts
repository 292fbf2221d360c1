import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import {
  type ByteRange,
  fieldsAt,
  includes,
  type RequestOf,
  type ResponseInput,
  ZERO_UUID,
} from './declaration.ts';
import type { Read } from './decoder.ts';
import { compileStructWriter, type Write } from './encoder.ts';
import { produce } from './messages/produce.ts';

/**
 * What the declaration of Produce says, written out for the two directions that a broker is busy with. It is several
 * times as fast, and tests hold it against the declaration, version by version.
 */
type Request = RequestOf<typeof produce>;
type Topic = Request['topicData'][number];
type Partition = Topic['partitionData'][number];
type Response = ResponseInput<typeof produce>;
type ResponseTopic = Response['responses'][number];
type ResponsePartition = ResponseTopic['partitionResponses'][number];

export function produceRequestReader(version: number): Read {
  const flexible = includes(produce.flexible, version);
  const hasIds = version >= 13;
  const topicBytesMin = (hasIds ? 16 : flexible ? 1 : 2) + (flexible ? 2 : 4);
  const partitionBytesMin = flexible ? 6 : 8;

  function readPartition(reader: ByteReader): Partition {
    const index = reader.int32();
    const length = reader.length(flexible);
    let records: ByteRange | null = null;
    if (length >= 0) {
      const start = reader.take(length);
      records = { bytes: reader.bytes, start, end: start + length };
    }
    if (flexible) reader.skipTags();
    return { index, records };
  }

  function readTopic(reader: ByteReader): Topic {
    reader.field = 'name';
    const name = hasIds ? '' : reader.string(flexible);
    const topicId = hasIds ? reader.uuid() : ZERO_UUID;
    reader.field = 'partitionData';
    const partitionData: Partition[] = [];
    for (let left = reader.elements(flexible, partitionBytesMin); left > 0; left--) {
      partitionData.push(readPartition(reader));
    }
    if (flexible) reader.skipTags();
    return { name, topicId, partitionData };
  }

  return (reader): Request => {
    reader.field = 'transactionalId';
    const transactionalId = version >= 3 ? reader.nullableString(flexible) : null;
    const acks = reader.int16();
    const timeoutMs = reader.int32();
    const topicData: Topic[] = [];
    reader.field = 'topicData';
    for (let left = reader.elements(flexible, topicBytesMin); left > 0; left--)
      topicData.push(readTopic(reader));
    if (flexible) reader.skipTags();
    return { transactionalId, acks, timeoutMs, topicData };
  };
}

export function produceResponseWriter(version: number): Write {
  const flexible = includes(produce.flexible, version);
  const hasIds = version >= 13;
  const { fields } = produce.response;
  const writeAnyPartition = compileStructWriter(
    fieldsAt(fields, 'responses', 'partitionResponses'),
    version,
    flexible,
  );
  const writeAny = compileStructWriter(fields, version, flexible);

  function writePartition(writer: ByteWriter, partition: ResponsePartition): void {
    const { recordErrors, errorMessage } = partition;
    // Those of failures, which may take their time.
    if (recordErrors?.length || errorMessage || partition.currentLeader !== undefined) {
      writeAnyPartition(writer, partition);
      return;
    }
    writer.int32(partition.index);
    writer.int16(partition.errorCode);
    writer.int64(partition.baseOffset);
    if (version >= 2) writer.int64(partition.logAppendTimeMs ?? -1);
    if (version >= 5) writer.int64(partition.logStartOffset ?? -1);
    if (version >= 8) {
      writer.length(0, flexible);
      if (errorMessage === '') writer.text('', flexible);
      else writer.nullString(flexible);
    }
    if (flexible) writer.varint(0);
  }

  return (writer, value) => {
    const response = value as Response;
    if (response.nodeEndpoints?.length) {
      writeAny(writer, value);
      return;
    }
    const { responses } = response;
    writer.length(responses.length, flexible);
    for (let index = 0; index < responses.length; index++) {
      const { name, topicId, partitionResponses } = responses[index];
      if (hasIds) writer.uuid(topicId ?? ZERO_UUID);
      else writer.text(name ?? '', flexible);
      writer.length(partitionResponses.length, flexible);
      for (let at = 0; at < partitionResponses.length; at++) writePartition(writer, partitionResponses[at]);
      if (flexible) writer.varint(0);
    }
    if (version >= 1) writer.int32(response.throttleTimeMs ?? 0);
    if (flexible) writer.varint(0);
  };
}
