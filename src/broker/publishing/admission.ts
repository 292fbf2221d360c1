import type { MessageView } from '../../records/message-view.ts';
import type { Broker } from '../broker.ts';
import { BrokerError } from '../errors.ts';
import type { Queue } from '../queues/queue.ts';
import { encodeQueueOperation } from '../queues/queue-operations.ts';

/** What a publisher names a message by, so that it is taken once. */
const DEDUPLICATION_HEADER = 'x-deduplication-header';

/** That a queue has seen a message, to be written together with the message. */
export interface Seen {
  readonly journalBytes: number;
  remember(): void;
}

export interface Admission {
  /** Those that take the message. */
  readonly queues: readonly Queue[];
  readonly seen: readonly Seen[];
  /** Whether one of them was full. */
  readonly isRefused: boolean;
  /** Whether one of them has the message already: it is as safe as what came until now. */
  readonly isKnown: boolean;
}

/** What comes to a queue with one transaction, which it looks at before any of it is there. */
interface Coming {
  messages: number;
  bytes: number;
  readonly names: Set<string>;
}

export type ComingTogether = Map<Queue, Coming>;

/**
 * Which of these queues take the message: not those that are full, nor those that have seen it. `together`: what the same
 * transaction brings besides.
 * @throws BrokerError precondition-failed, if a queue is too full for a transaction
 */
export function admit(
  queues: readonly Queue[],
  messageView: MessageView,
  broker: Broker,
  persistent: boolean,
  together: ComingTogether | null = null,
): Admission {
  const bodyBytes = messageView.bodyBytes;
  const admitted: Queue[] = [];
  const seen: Seen[] = [];
  let isRefused = false;
  let isKnown = false;
  let name: string | null | undefined;
  for (const queue of queues) {
    const coming = together?.get(queue);
    if (queue.isGuarded && queue.deduplicator !== null) {
      if (name === undefined) name = deduplicationName(messageView, broker);
      const hasSeen = (name: string): boolean =>
        queue.deduplicator?.has(name, broker.turn.nowMs) === true || coming?.names.has(name) === true;
      if (name !== null && hasSeen(name)) {
        isKnown = true;
        queue.ledger.duplicates++;
        continue;
      }
    }
    if (queue.isGuarded && !queue.hasRoomFor(bodyBytes, coming?.messages, coming?.bytes)) {
      isRefused = true;
      queue.ledger.refused++;
      // All of a transaction or nothing: then nothing goes to where refused messages go, either. The text is RabbitMQ's.
      if (together !== null) throw new BrokerError('precondition-failed', 'partial tx completion');
      if (queue.settings.overflow === 'reject-publish-dlx')
        broker.deadLettering.sendRefused(queue, messageView);
      continue;
    }
    if (queue.deduplicator !== null && name != null)
      seen.push(seenBy(queue, name, broker, persistent && queue.durable));
    admitted.push(queue);
    if (together !== null && queue.isGuarded) note(together, queue, bodyBytes, name ?? null);
  }
  return { queues: admitted, seen, isRefused, isKnown };
}

function note(together: ComingTogether, queue: Queue, bytes: number, name: string | null): void {
  const coming = together.get(queue) ?? { messages: 0, bytes: 0, names: new Set<string>() };
  together.set(queue, coming);
  coming.messages++;
  coming.bytes += bytes;
  if (name !== null) coming.names.add(name);
}

/** `isKept`: with what survives a restart; otherwise the queue would remember what was lost. */
function seenBy(queue: Queue, key: string, broker: Broker, isKept: boolean): Seen {
  const { nowMs } = broker.turn;
  const untilMs = nowMs + (queue.settings.deduplication?.windowMs ?? 0);
  const operation = encodeQueueOperation({ op: 'queue-state.seen', id: queue.id, key, untilMs });
  return {
    journalBytes: operation.length + 32,
    remember() {
      queue.deduplicator?.remember(key, nowMs, untilMs, isKept);
      if (isKept) broker.record(operation);
    },
  };
}

function deduplicationName(messageView: MessageView, broker: Broker): string | null {
  const { properties, propertiesStart, propertiesEnd } = messageView;
  const headers = broker.codecs.of(messageView.protocol)?.headers(properties, propertiesStart, propertiesEnd);
  const value = headers?.[DEDUPLICATION_HEADER];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : null;
}
