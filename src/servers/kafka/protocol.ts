import { setImmediate } from 'node:timers/promises';
import type { KafkaConnection } from './connection/connection.ts';
import type { AnyHandler } from './handler.ts';
import type { authenticateByToken } from './handlers/sasl-authenticate.ts';
import type { handlerOf } from './handlers/table.ts';
import type { answerForwarded } from './shards/controller-service.ts';

/** What serves a connection of a Kafka client: connections, and the handlers of all APIs. */
export interface LoadedProtocol {
  readonly KafkaConnection: typeof KafkaConnection;
  readonly handlers: readonly AnyHandler[];
  readonly handlerOf: typeof handlerOf;
  readonly authenticateByToken: typeof authenticateByToken;
  readonly answerForwarded: typeof answerForwarded;
}

/**
 * Modules, in an order in which what each imports is there already but for a little: all at once would hold the event loop for 50 to
 * 100 ms, while clients of other protocols wait.
 */
export const PROTOCOL_PARTS: readonly (() => Promise<unknown>)[] = [
  () => import('../../wire/kafka/messages/acls.ts'),
  () => import('../../wire/kafka/messages/configs.ts'),
  () => import('../../wire/kafka/messages/consumer-groups.ts'),
  () => import('../../wire/kafka/messages/fetch.ts'),
  () => import('../../wire/kafka/messages/group-admin.ts'),
  () => import('../../wire/kafka/messages/group-membership.ts'),
  () => import('../../wire/kafka/messages/group-offsets.ts'),
  () => import('../../wire/kafka/messages/metadata.ts'),
  () => import('../../wire/kafka/messages/offsets.ts'),
  () => import('../../wire/kafka/messages/produce.ts'),
  () => import('../../wire/kafka/messages/replicas.ts'),
  () => import('../../wire/kafka/messages/share-fetch.ts'),
  () => import('../../wire/kafka/messages/share-groups.ts'),
  () => import('../../wire/kafka/messages/streams-groups.ts'),
  () => import('../../wire/kafka/messages/topics.ts'),
  () => import('../../wire/kafka/messages/transaction-admin.ts'),
  () => import('../../wire/kafka/messages/transactions.ts'),
  () => import('../../wire/kafka/apis.ts'),
  () => import('./configs/alteration.ts'),
  () => import('./connection/request-context.ts'),
  () => import('./connection/request-input.ts'),
  () => import('./connection/connection.ts'),
  () => import('./handlers/metadata.ts'),
  () => import('./handlers/produce.ts'),
  () => import('./fetch/delayed-fetch.ts'),
  () => import('./handlers/create-topics.ts'),
  () => import('./handlers/topic-apis.ts'),
  () => import('./handlers/record-apis.ts'),
  () => import('./handlers/join-group.ts'),
  () => import('./handlers/offset-commit.ts'),
  () => import('./handlers/group-apis.ts'),
  () => import('./handlers/share-fetch.ts'),
  () => import('./handlers/share-group-apis.ts'),
  () => import('./handlers/transaction-apis.ts'),
  () => import('./handlers/config-apis.ts'),
  () => import('./handlers/access-apis.ts'),
  () => import('./handlers/replica-apis.ts'),
  () => import('./handlers/connection-apis.ts'),
];

/** Loads it in steps, between which the event loop goes on. */
export async function loadProtocol(): Promise<LoadedProtocol> {
  for (const part of PROTOCOL_PARTS) {
    await part();
    await setImmediate();
  }
  const { KafkaConnection } = await import('./connection/connection.ts');
  const { authenticateByToken } = await import('./handlers/sasl-authenticate.ts');
  const { HANDLERS, handlerOf } = await import('./handlers/table.ts');
  const { answerForwarded } = await import('./shards/controller-service.ts');
  return { KafkaConnection, handlers: HANDLERS, handlerOf, authenticateByToken, answerForwarded };
}
