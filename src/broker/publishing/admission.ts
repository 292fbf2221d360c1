import type { MessageView } from '../../records/message-view.ts';
import { BrokerError } from '../errors.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import { deduplicationName } from '../queues/deduplication.ts';
import type { Queue } from '../queues/queue.ts';
import { encodeQueueOperation, seenOperationBytesMax } from '../queues/queue-operations.ts';
import type { Shard } from '../shard/shard.ts';
import { operationBytes } from './atomic-append.ts';

/** The header of message deduplication: each queue takes a message of the same value once. */
const DEDUPLICATION_HEADER = 'x-deduplication-header';

/** Where messages go that a full queue refused, if it dead-letters them. */
export interface RefusedMessages {
  sendRefused(queue: Queue, messageView: MessageView): void;
}

/** A name for deduplication, to be journaled in the block of its message. */
export interface Seen {
  /** At most. */
  readonly journalBytes: number;
  /** To be called when the message was appended, and before any other. */
  remember(): void;
}

export interface Admission {
  /** The queues that take the message. */
  readonly queues: readonly AnyQueue[];
  readonly seen: readonly Seen[];
  /** Whether a queue was full, or has seen it and refuses duplicates. */
  readonly isRefused: boolean;
  /** Whether a queue has seen it: it is durable when all that was stored until now is. */
  readonly isKnown: boolean;
}

/** What one transaction brings to a queue, which counts with what is there when the next message of it is admitted. */
interface Reservation {
  messages: number;
  bytes: number;
  readonly names: Set<string>;
}

export type Reservations = Map<Queue, Reservation>;

/**
 * Publish admission: which of these queues take the message. Not those that are full, nor those that have seen it; those of
 * other shards are asked there.
 * `reservations`: what the same transaction brings besides.
 * @throws BrokerError precondition-failed, if a queue refuses a message of a transaction
 */
export function admit(
  queues: readonly AnyQueue[],
  messageView: MessageView,
  shard: Shard,
  refused: RefusedMessages,
  persistent: boolean,
  reservations: Reservations | null = null,
): Admission {
  const bodyBytes = messageView.bodyBytes;
  const admitted: AnyQueue[] = [];
  const seen: Seen[] = [];
  let isRefused = false;
  let isKnown = false;
  let name: string | null | undefined;
  for (const queue of queues) {
    if (queue.isRemote) {
      admitted.push(queue);
      continue;
    }
    const reserved = reservations?.get(queue);
    if (queue.isGuarded && queue.deduplicator !== null) {
      if (name === undefined) name = nameOf(messageView, shard);
      const hasSeen = (name: string): boolean =>
        queue.deduplicator?.has(name, shard.nowMs) === true || reserved?.names.has(name) === true;
      if (name !== null && hasSeen(name)) {
        queue.countDuplicate();
        if (queue.settings.deduplication?.refuses !== true) isKnown = true;
        else if (reservations !== null) throw partialCompletion();
        else isRefused = true;
        continue;
      }
    }
    if (queue.isGuarded && !queue.hasRoomFor(bodyBytes, reserved?.messages, reserved?.bytes)) {
      isRefused = true;
      queue.countRefused();
      // A tx is refused as a whole, so that nothing of it is dead-lettered either.
      if (reservations !== null) throw partialCompletion();
      if (queue.settings.overflow === 'reject-publish-dlx') refused.sendRefused(queue, messageView);
      continue;
    }
    if (queue.deduplicator !== null && name != null)
      seen.push(new SeenMessage(queue, name, messageView.priority, shard, persistent && queue.durable));
    admitted.push(queue);
    if (reservations !== null && queue.isGuarded) reserve(reservations, queue, bodyBytes, name ?? null);
  }
  return { queues: admitted, seen, isRefused, isKnown };
}

/** Those of the queues that have not seen the message, which their limits do not keep out: it was accepted elsewhere. */
export function deduplicate(
  queues: readonly Queue[],
  messageView: MessageView,
  shard: Shard,
  persistent: boolean,
): { readonly queues: readonly Queue[]; readonly seen: readonly Seen[] } {
  const name = nameOf(messageView, shard);
  if (name === null) return { queues, seen: [] };
  const admitted: Queue[] = [];
  const seen: Seen[] = [];
  for (const queue of queues) {
    if (queue.deduplicator?.has(name, shard.nowMs) === true) {
      queue.countDuplicate();
      continue;
    }
    admitted.push(queue);
    if (queue.deduplicator === null) continue;
    seen.push(new SeenMessage(queue, name, messageView.priority, shard, persistent && queue.durable));
  }
  return { queues: admitted, seen };
}

function reserve(reservations: Reservations, queue: Queue, bytes: number, name: string | null): void {
  const reserved = reservations.get(queue) ?? { messages: 0, bytes: 0, names: new Set<string>() };
  reservations.set(queue, reserved);
  reserved.messages++;
  reserved.bytes += bytes;
  if (name !== null) reserved.names.add(name);
}

/** The text is RabbitMQ's. */
function partialCompletion(): BrokerError {
  return new BrokerError('precondition-failed', 'partial tx completion');
}

class SeenMessage implements Seen {
  readonly journalBytes: number;
  readonly #queue: Queue;
  readonly #name: string;
  readonly #priority: number;
  readonly #shard: Shard;
  readonly #isDurable: boolean;
  readonly #untilMs: number | null;

  /** `isDurable`: the message survives a restart, and its name with it. */
  constructor(queue: Queue, name: string, priority: number, shard: Shard, isDurable: boolean) {
    const windowMs = queue.settings.deduplication?.windowMs ?? null;
    this.#queue = queue;
    this.#name = name;
    this.#priority = priority;
    this.#shard = shard;
    this.#isDurable = isDurable;
    this.#untilMs = windowMs === null ? null : shard.nowMs + windowMs;
    this.journalBytes = isDurable ? operationBytes(seenOperationBytesMax(name)) : 0;
  }

  remember(): void {
    const { nowMs } = this.#shard;
    const deduplicator = this.#queue.deduplicator;
    const level = this.#queue.levelFor(this.#priority);
    const offset = level.log.end - 1;
    const isKept = this.#isDurable;
    deduplicator?.took(this.#name, { level, offset, isKept });
    if (this.#untilMs !== null) deduplicator?.rememberUntil(this.#name, nowMs, this.#untilMs, isKept);
    if (isKept) this.#shard.record(this.#operation(level.priority, offset));
  }

  #operation(priority: number, offset: number): Uint8Array {
    const until = this.#untilMs === null ? {} : { untilMs: this.#untilMs };
    const { id } = this.#queue;
    return encodeQueueOperation({ op: 'queue-state.seen', id, key: this.#name, priority, offset, ...until });
  }
}

function nameOf(messageView: MessageView, shard: Shard): string | null {
  const { properties, propertiesStart, propertiesEnd } = messageView;
  const headers = shard.codecs.of(messageView.protocol)?.headers(properties, propertiesStart, propertiesEnd);
  return deduplicationName(headers?.[DEDUPLICATION_HEADER]);
}
