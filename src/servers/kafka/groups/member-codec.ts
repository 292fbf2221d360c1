import type { MemberCodec } from '../../../broker/groups/ports.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { Fields, Message, StructOf } from '../../../wire/kafka/declaration.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../wire/kafka/messages/consumer-protocol.ts';
import { decodeMessage, encodeMessage } from '../../../wire/kafka/messages.ts';

const CONSUMERS = 'consumer';

/** ConsumerProtocolSubscription and ConsumerProtocolAssignment: an int16 version, then the fields. */
export const memberCodec: MemberCodec = {
  readSubscription: (protocolType, metadata) =>
    protocolType === CONSUMERS ? read(consumerProtocolSubscription, metadata) : null,
  readAssignment: (protocolType, assignment) =>
    protocolType === CONSUMERS
      ? (read(consumerProtocolAssignment, assignment)?.assignedPartitions ?? [])
      : [],
  writeAssignment(metadata, partitions) {
    const version = metadata.length < 2 ? 0 : versionOf(consumerProtocolAssignment, metadata);
    const writer = new ByteWriter();
    encodeMessage(writer, consumerProtocolAssignment, version, { assignedPartitions: partitions });
    const head = Buffer.alloc(2);
    head.writeInt16BE(version);
    return Buffer.concat([head, ...writer.take()]);
  },
};

/** Null for bytes that cannot be decoded: a client may send anything under the name of the protocol. */
function read<F extends Fields>(message: Message<F>, bytes: Buffer): StructOf<F> | null {
  if (bytes.length < 2) return null;
  try {
    return decodeMessage(message, versionOf(message, bytes), bytes, 2, bytes.length);
  } catch (error) {
    if (error instanceof KafkaWireError) return null;
    throw error;
  }
}

/** A newer version is read as the newest known one, as by Kafka: fields are only appended. */
function versionOf({ versions }: Message, bytes: Buffer): number {
  return Math.min(Math.max(bytes.readInt16BE(0), versions.min), versions.max);
}
