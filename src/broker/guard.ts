import type { MessageParts } from '../log/message-parts.ts';
import type { Broker } from './broker.ts';
import type { Queue } from './queue.ts';
import { encodeQueueOperation } from './queue-operations.ts';

/** What a publisher names a message by, so that it is taken once. */
const DEDUPLICATION_HEADER = 'x-deduplication-header';

/** That a queue has seen a message, to be written together with the message. */
export interface Seen {
  readonly journalBytes: number;
  /** With what is persistent it survives a restart, otherwise it would remember what was lost. */
  remember(persistent: boolean): void;
}

export interface Admission {
  /** Those that take the message. */
  readonly queues: readonly Queue[];
  readonly seen: readonly Seen[];
  /** Whether one of them was full. */
  readonly isRefused: boolean;
}

/** Which of these queues take the message: not those that are full, nor those that have seen it. */
export function admit(
  queues: readonly Queue[],
  parts: MessageParts,
  broker: Broker,
  persistent: boolean,
): Admission {
  const bodyBytes = parts.bodyBytes;
  const admitted: Queue[] = [];
  const seen: Seen[] = [];
  let isRefused = false;
  let name: string | null | undefined;
  for (const queue of queues) {
    if (queue.isGuarded && queue.deduplicator !== null) {
      if (name === undefined) name = deduplicationName(parts, broker);
      if (name !== null && queue.deduplicator.has(name, broker.turn.nowMs)) {
        queue.ledger.duplicates++;
        continue;
      }
    }
    if (queue.isGuarded && !queue.hasRoomFor(bodyBytes)) {
      isRefused = true;
      queue.ledger.refused++;
      if (queue.settings.overflow === 'reject-publish-dlx')
        broker.deadLetters.sendRefused(queue, parts, persistent);
      continue;
    }
    if (queue.deduplicator !== null && name != null) seen.push(seenBy(queue, name, broker));
    admitted.push(queue);
  }
  return { queues: admitted, seen, isRefused };
}

function seenBy(queue: Queue, key: string, broker: Broker): Seen {
  const { nowMs } = broker.turn;
  const untilMs = nowMs + (queue.settings.deduplication?.windowMs ?? 0);
  const operation = encodeQueueOperation({ op: 'queue-state.seen', id: queue.id, key, untilMs });
  return {
    journalBytes: operation.length + 32,
    remember(persistent) {
      queue.deduplicator?.remember(key, nowMs, untilMs);
      if (persistent && queue.durable) broker.record(operation);
    },
  };
}

function deduplicationName(parts: MessageParts, broker: Broker): string | null {
  const { properties, propertiesStart, propertiesEnd } = parts;
  const headers = broker.codecs.of(parts.protocol)?.headers(properties, propertiesStart, propertiesEnd);
  const value = headers?.[DEDUPLICATION_HEADER];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : null;
}
