import type { SubscriptionReader } from '../../../broker/groups/ports.ts';
import { consumerProtocolSubscription } from '../../../wire/kafka/messages/consumer-protocol.ts';
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
