import type { ChunkStore } from '../../log/memory/chunks.ts';
import type { Discards } from './discards.ts';
import type { QueueDepth } from './message-ledger.ts';
import type { MessageTtl } from './message-ttl.ts';
import { bodyBytesAt, type PriorityLevel } from './priority-level.ts';
import type { QueueSettings } from './queue-settings.ts';

export interface LengthLimitDeps {
  readonly chunks: ChunkStore;
  readonly depth: QueueDepth;
  readonly ttl: MessageTtl;
  readonly discards: Discards;
}

/** x-max-length and x-max-length-bytes: what is beyond them is dropped at the head, or refused. */
export class LengthLimit {
  /** Whether a full queue drops the oldest of the ready messages (x-overflow drop-head). */
  dropsHead = false;
  /** Whether a full queue refuses to take more (x-overflow reject-publish and reject-publish-dlx). */
  refuses = false;
  readonly #deps: LengthLimitDeps;
  /** Infinity for no limit. */
  #messagesMax = Number.POSITIVE_INFINITY;
  #bytesMax = Number.POSITIVE_INFINITY;
  #deadLetters = false;

  constructor(deps: LengthLimitDeps) {
    this.#deps = deps;
  }

  configure({ maxLength, maxLengthBytes, overflow, deadLetterExchange }: QueueSettings): void {
    const isLimited = maxLength !== null || maxLengthBytes !== null;
    this.#messagesMax = maxLength ?? Number.POSITIVE_INFINITY;
    this.#bytesMax = maxLengthBytes ?? Number.POSITIVE_INFINITY;
    this.#deadLetters = deadLetterExchange !== null;
    this.dropsHead = isLimited && overflow === 'drop-head';
    this.refuses = isLimited && overflow !== 'drop-head';
  }

  /** Whether a message of this size may be added, and others that come with it. */
  hasRoomFor(bodyBytes: number, otherMessages: number, otherBytes: number): boolean {
    const { ready, readyBytes } = this.#deps.depth;
    return (
      !this.refuses ||
      (ready + otherMessages < this.#messagesMax && readyBytes + otherBytes + bodyBytes <= this.#bytesMax)
    );
  }

  /** As in RabbitMQ, from the head, whatever its priority. `levels`: the highest first. True if something was dropped. */
  dropExcess(levels: readonly PriorityLevel[]): boolean {
    const { chunks, depth, ttl, discards } = this.#deps;
    const before = depth.ready;
    const mayDropUnseen = this.#bytesMax === Number.POSITIVE_INFINITY && !this.#deadLetters && !ttl.isNeeded;
    while (depth.ready > this.#messagesMax || depth.readyBytes > this.#bytesMax) {
      const level = levels.find(({ readyCount }) => readyCount > 0);
      if (level === undefined || discards.isCongested || !discards.mayGoOn()) break;
      const offset = level.peek();
      // What stands behind it is not dropped in its stead: its transaction will be durable soon.
      if (offset >= level.undurableFrom) break;
      const position = level.log.positionOf(offset);
      if (position >= 0) {
        const chunk = chunks.of(position);
        const at = position >>> 0;
        const reason = ttl.isExpired(chunk, at) ? 'expired' : 'maxlen';
        discards.discard(level, offset, bodyBytesAt(chunk, at), reason);
      } else if (mayDropUnseen) {
        discards.discard(level, offset, depth.averageBytes, 'maxlen');
      } else {
        level.log.readAhead?.load(offset);
        break;
      }
    }
    return depth.ready < before;
  }
}
