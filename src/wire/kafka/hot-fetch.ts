import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import {
  fieldsAt,
  INT64_MAX,
  includes,
  type RequestOf,
  type ResponseInput,
  ZERO_UUID,
} from './declaration.ts';
import { compileStructReader, type Read } from './decoder.ts';
import { compileStructWriter, type Write, writeRecords } from './encoder.ts';
import { fetch } from './messages/fetch.ts';

/**
 * What the declaration of Fetch says, written out for the two directions that a broker is busy with. It is several
 * times as fast, and tests hold it against the declaration, version by version. Tagged fields, which only servers of a
 * cluster send one another, are left to the declaration.
 */
type Request = RequestOf<typeof fetch>;
type Topic = Request['topics'][number];
type Partition = Topic['partitions'][number];
type ForgottenTopic = Request['forgottenTopicsData'][number];
type Response = ResponseInput<typeof fetch>;
type ResponsePartition = Response['responses'][number]['partitions'][number];

export function fetchRequestReader(version: number): Read {
  const flexible = includes(fetch.flexible, version);
  const hasIds = version >= 13;
  const { fields } = fetch.request;
  const readAny = compileStructReader(fields, version, flexible);
  const readAnyPartition = compileStructReader(fieldsAt(fields, 'topics', 'partitions'), version, flexible);
  const topicBytesMin = (hasIds ? 16 : flexible ? 1 : 2) + (flexible ? 2 : 4);
  const partitionBytesMin =
    16 + (version >= 9 ? 4 : 0) + (version >= 12 ? 4 : 0) + (version >= 5 ? 8 : 0) + (flexible ? 1 : 0);

  function readPartition(reader: ByteReader): Partition {
    const start = reader.position;
    const partition = reader.int32();
    const currentLeaderEpoch = version >= 9 ? reader.int32() : -1;
    const fetchOffset = reader.int64();
    const lastFetchedEpoch = version >= 12 ? reader.int32() : -1;
    const logStartOffset = version >= 5 ? reader.int64() : -1;
    const partitionMaxBytes = reader.int32();
    if (flexible && reader.varint() !== 0) {
      reader.position = start;
      return readAnyPartition(reader) as Partition;
    }
    return {
      partition,
      currentLeaderEpoch,
      fetchOffset,
      lastFetchedEpoch,
      logStartOffset,
      partitionMaxBytes,
      replicaDirectoryId: ZERO_UUID,
      highWatermark: INT64_MAX,
    };
  }

  function readTopic(reader: ByteReader): Topic {
    reader.field = 'topic';
    const topic = hasIds ? '' : reader.string(flexible);
    const topicId = hasIds ? reader.uuid() : ZERO_UUID;
    reader.field = 'partitions';
    const partitions: Partition[] = [];
    for (let left = reader.elements(flexible, partitionBytesMin); left > 0; left--) {
      partitions.push(readPartition(reader));
    }
    if (flexible) reader.skipTags();
    return { topic, topicId, partitions };
  }

  function readForgottenTopic(reader: ByteReader): ForgottenTopic {
    const topic = hasIds ? '' : reader.string(flexible);
    const topicId = hasIds ? reader.uuid() : ZERO_UUID;
    const partitions: number[] = [];
    for (let left = reader.elements(flexible, 4); left > 0; left--) partitions.push(reader.int32());
    if (flexible) reader.skipTags();
    return { topic, topicId, partitions };
  }

  return (reader): Request => {
    const start = reader.position;
    const replicaId = version <= 14 ? reader.int32() : -1;
    const maxWaitMs = reader.int32();
    const minBytes = reader.int32();
    const maxBytes = version >= 3 ? reader.int32() : 0x7fffffff;
    const isolationLevel = version >= 4 ? reader.int8() : 0;
    const sessionId = version >= 7 ? reader.int32() : 0;
    const sessionEpoch = version >= 7 ? reader.int32() : -1;
    const topics: Topic[] = [];
    reader.field = 'topics';
    for (let left = reader.elements(flexible, topicBytesMin); left > 0; left--)
      topics.push(readTopic(reader));
    const forgottenTopicsData: ForgottenTopic[] = [];
    reader.field = 'forgottenTopicsData';
    const forgotten = version >= 7 ? reader.elements(flexible, topicBytesMin) : 0;
    for (let left = forgotten; left > 0; left--) forgottenTopicsData.push(readForgottenTopic(reader));
    reader.field = 'rackId';
    const rackId = version >= 11 ? reader.string(flexible) : '';
    if (flexible && reader.varint() !== 0) {
      reader.position = start;
      return readAny(reader) as Request;
    }
    return {
      clusterId: null,
      replicaId,
      replicaState: NO_REPLICA,
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel,
      sessionId,
      sessionEpoch,
      topics,
      forgottenTopicsData,
      rackId,
    };
  };
}

const NO_REPLICA = Object.freeze({ replicaId: -1, replicaEpoch: -1 });

export function fetchResponseWriter(version: number): Write {
  const flexible = includes(fetch.flexible, version);
  const hasIds = version >= 13;
  const { fields } = fetch.response;
  const writeAny = compileStructWriter(fields, version, flexible);
  const writeAnyPartition = compileStructWriter(
    fieldsAt(fields, 'responses', 'partitions'),
    version,
    flexible,
  );

  function writeAborted(writer: ByteWriter, aborted: ResponsePartition['abortedTransactions']): void {
    if (aborted === null) {
      writer.length(-1, flexible);
      return;
    }
    writer.length(aborted?.length ?? 0, flexible);
    for (const { producerId, firstOffset } of aborted ?? []) {
      writer.int64(producerId);
      writer.int64(firstOffset);
      if (flexible) writer.varint(0);
    }
  }

  function writePartition(writer: ByteWriter, partition: ResponsePartition): void {
    const { divergingEpoch, currentLeader, snapshotId } = partition;
    if (divergingEpoch !== undefined || currentLeader !== undefined || snapshotId !== undefined) {
      writeAnyPartition(writer, partition);
      return;
    }
    writer.int32(partition.partitionIndex);
    writer.int16(partition.errorCode);
    writer.int64(partition.highWatermark);
    if (version >= 4) writer.int64(partition.lastStableOffset ?? -1);
    if (version >= 5) writer.int64(partition.logStartOffset ?? -1);
    if (version >= 4) writeAborted(writer, partition.abortedTransactions);
    if (version >= 11) writer.int32(partition.preferredReadReplica ?? -1);
    if (partition.records === null) writer.length(-1, flexible);
    else writeRecords(writer, partition.records, flexible);
    if (flexible) writer.varint(0);
  }

  return (writer, value) => {
    const response = value as Response;
    if (response.nodeEndpoints?.length) {
      writeAny(writer, value);
      return;
    }
    if (version >= 1) writer.int32(response.throttleTimeMs ?? 0);
    if (version >= 7) {
      writer.int16(response.errorCode ?? 0);
      writer.int32(response.sessionId ?? 0);
    }
    const { responses } = response;
    writer.length(responses.length, flexible);
    for (let index = 0; index < responses.length; index++) {
      const { topic, topicId, partitions } = responses[index];
      if (hasIds) writer.uuid(topicId ?? ZERO_UUID);
      else writer.text(topic ?? '', flexible);
      writer.length(partitions.length, flexible);
      for (let at = 0; at < partitions.length; at++) writePartition(writer, partitions[at]);
      if (flexible) writer.varint(0);
    }
    if (flexible) writer.varint(0);
  };
}
