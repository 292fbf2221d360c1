import type { DeadlineTimer } from '../../base/deadline-timer.ts';
import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';
import type { Turn } from '../shard/turn.ts';
import type { Discards } from './discards.ts';
import { bodyBytesAt, type PriorityLevel } from './priority-level.ts';

const view = new ContentView();

export interface MessageTtlDeps {
  readonly turn: Turn;
  readonly chunks: ChunkStore;
  /** Has the queue pumped. */
  readonly timer: DeadlineTimer;
  readonly discards: Discards;
}

/**
 * Time to live: messages expire by the queue's limit (x-message-ttl), by their own (expiration), or by the shorter of
 * both. As in RabbitMQ they are discarded at the head of a level: one waits behind those that may stay longer.
 */
export class MessageTtl {
  /** Whether any message can expire. The hot path reads this. */
  isNeeded = false;
  readonly #deps: MessageTtlDeps;
  /** The queue's limit; Infinity for none. */
  #ttlMs = Number.POSITIVE_INFINITY;
  /** Whether some of the messages may have an expiration of their own. */
  #messagesExpire = false;

  constructor(deps: MessageTtlDeps) {
    this.#deps = deps;
  }

  /** `ttlMs`: the queue's limit; null for none. */
  configure(ttlMs: number | null, levels: readonly PriorityLevel[]): void {
    this.#ttlMs = ttlMs ?? Number.POSITIVE_INFINITY;
    // What is at consumers, and comes back, is not new.
    for (const level of levels) level.freshFrom = level.log.end;
    this.#note();
  }

  messagesExpire(): void {
    this.#messagesExpire = true;
    this.isNeeded = true;
  }

  /** The queue has no message any more; the next one with an expiration will be announced. */
  emptied(): void {
    this.#messagesExpire = false;
    this.#note();
  }

  /** Of the message whose frame is at byte `at` of the chunk. */
  isExpired(chunk: Chunk, at: number): boolean {
    return this.isNeeded && this.#dueAt(chunk, at) <= this.#deps.turn.nowMs;
  }

  /** Discards what expired. False if more may have: a head has to be read from its segment, or it is enough for now. */
  expireHeads(levels: readonly PriorityLevel[]): boolean {
    if (!this.isNeeded) return true;
    let isDone = true;
    for (const level of levels) if (!this.#expireHead(level)) isDone = false;
    return isDone;
  }

  #expireHead(level: PriorityLevel): boolean {
    const { turn, chunks, timer, discards } = this.#deps;
    let isDone = true;
    while (level.readyCount > 0 && !discards.isCongested) {
      const offset = level.peek();
      if (offset >= level.undurableFrom) break;
      const position = level.log.positionOf(offset);
      if (position < 0) {
        level.log.readAhead?.load(offset);
        isDone = false;
        break;
      }
      const chunk = chunks.of(position);
      const at = position >>> 0;
      const dueMs = this.#dueAt(chunk, at);
      if (dueMs > turn.nowMs) {
        timer.setFor(dueMs, turn.nowMs);
        break;
      }
      if (!discards.mayGoOn()) {
        isDone = false;
        break;
      }
      discards.discard(level, offset, bodyBytesAt(chunk, at), 'expired');
    }
    level.freshFrom = level.log.end;
    return isDone;
  }

  /** Milliseconds since the epoch; Infinity for a message that does not expire. */
  #dueAt(chunk: Chunk, at: number): number {
    const publishedMs = frameTimestampMs(chunk, at);
    if (!this.#messagesExpire) return publishedMs + this.#ttlMs;
    const length = frameContentBytes(chunk, at);
    view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, length);
    return publishedMs + (view.ttlMs >= 0 && view.ttlMs < this.#ttlMs ? view.ttlMs : this.#ttlMs);
  }

  #note(): void {
    this.isNeeded = this.#messagesExpire || this.#ttlMs !== Number.POSITIVE_INFINITY;
  }
}
