import type { SubscriptionReader } from '../../../broker/groups/ports.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../wire/kafka/messages/consumer-protocol.ts';
import { decodeMessage } from '../../../wire/kafka/messages.ts';

const NEWEST_VERSION = consumerProtocolSubscription.versions.max;

/** Consumers begin with the version; one that we do not know is read as the newest that we do. */
export const readSubscription: SubscriptionReader = (protocolType, metadata) => {
  if (protocolType !== 'consumer' || metadata.length < 2) return null;
  const version = Math.min(Math.max(metadata.readInt16BE(0), 0), NEWEST_VERSION);
  try {
    return decodeMessage(consumerProtocolSubscription, version, metadata, 2, metadata.length).topics;
  } catch {
    // Bytes of somebody else's: then nothing is known of what it reads.
    return null;
  }
};

/** The partitions that the leader gave to a consumer, by topic; nothing if they are not in the way that is known. */
export function readAssignment(
  protocolType: string,
  assignment: Buffer,
): readonly { readonly topic: string; readonly partitions: readonly number[] }[] {
  if (protocolType !== 'consumer' || assignment.length < 2) return [];
  const version = Math.min(Math.max(assignment.readInt16BE(0), 0), consumerProtocolAssignment.versions.max);
  try {
    const { length } = assignment;
    return decodeMessage(consumerProtocolAssignment, version, assignment, 2, length).assignedPartitions;
  } catch {
    return [];
  }
}
