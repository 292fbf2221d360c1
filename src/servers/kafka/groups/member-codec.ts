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

/** What consumers tell one another: each begins with its version, an int16. */
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

/** Null for bytes that mean something else to those who wrote them. */
function read<F extends Fields>(message: Message<F>, bytes: Buffer): StructOf<F> | null {
  if (bytes.length < 2) return null;
  try {
    return decodeMessage(message, versionOf(message, bytes), bytes, 2, bytes.length);
  } catch (error) {
    if (error instanceof KafkaWireError) return null;
    throw error;
  }
}

/** One that we do not know is read as the newest that we do. */
function versionOf({ versions }: Message, bytes: Buffer): number {
  return Math.min(Math.max(bytes.readInt16BE(0), versions.min), versions.max);
}
