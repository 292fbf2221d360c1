import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';
import type { Turn } from '../shard/turn.ts';
import type { Consumer } from './consumer.ts';
import type { ConsumerPriorities } from './consumer-priorities.ts';
import type { Ledger, QueueDepth } from './message-ledger.ts';
import type { Getter } from './ports.ts';
import { bodyBytesAt, type PriorityLevel } from './priority-level.ts';
import type { PriorityLevels } from './priority-levels.ts';
import type { QueueLimits } from './queue-limits.ts';

/** How many messages one queue delivers before others get their turn: some milliseconds, which the turn does not look into. */
const PUMP_MESSAGES_MAX = 4096;
/** What an expired message counts beside: to dead-letter it takes longer than to deliver it. */
const DISCARD_COST = 63;

/** Of the message that is being delivered: there is one at a time. */
const content = new ContentView();

function parse(chunk: Chunk, at: number): void {
  if (content.parse(chunk.buffer, at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at))) return;
  throw new Error(`the message at byte ${at} of chunk ${chunk.slot} cannot be read`);
}

/** A basic.get that is not answered yet. */
interface PendingGet {
  readonly getter: Getter;
  readonly noAck: boolean;
}

export interface DeliveryLoopDeps {
  readonly consumers: ConsumerPriorities;
  readonly levels: PriorityLevels;
  readonly limits: QueueLimits;
  readonly depth: QueueDepth;
  readonly ledger: Ledger;
  readonly chunks: ChunkStore;
  readonly turn: Turn;
}

/** Gives the ready messages of one queue to those who wait for them (basic.get), and to consumers with credit. */
export class DeliveryLoop {
  /** Those who wait, in turn. Each is given a message, or told that there is none, by the next run. */
  readonly getters: PendingGet[] = [];
  readonly #consumers: ConsumerPriorities;
  readonly #levels: PriorityLevels;
  readonly #base: PriorityLevel;
  readonly #limits: QueueLimits;
  readonly #depth: QueueDepth;
  readonly #ledger: Ledger;
  readonly #chunks: ChunkStore;
  readonly #turn: Turn;

  constructor(deps: DeliveryLoopDeps) {
    this.#consumers = deps.consumers;
    this.#levels = deps.levels;
    this.#base = deps.levels.base;
    this.#limits = deps.limits;
    this.#depth = deps.depth;
    this.#ledger = deps.ledger;
    this.#chunks = deps.chunks;
    this.#turn = deps.turn;
  }

  /** Stops where the next message is not in memory, or nobody can take it. False if there is more to deliver. */
  run(): boolean {
    const consumers = this.#consumers;
    let budget = PUMP_MESSAGES_MAX;
    const depth = this.#depth;
    const levels = this.#levels.all;
    const { ttl } = this.#limits;
    while (depth.ready > 0) {
      const isAsked = this.getters.length > 0;
      const { only } = consumers;
      const isOnly = only !== null && only.credit > 0 && only.gate.open && only.parkedAt === null;
      const consumer = isAsked ? null : isOnly ? only : consumers.next();
      if (!isAsked && consumer === null) return true;
      const level = levels.length === 1 ? this.#base : this.#levels.top;
      // What is not durable yet is delivered when it is: its level wakes the queue.
      if (level === null) return true;
      const offset = level.peek();
      if (offset >= level.undurableFrom) return true;
      const position = level.log.positionOf(offset);
      if (position < 0) {
        level.log.readAhead?.load(offset);
        return true;
      }
      if (budget-- === 0) return false;
      const chunk = this.#chunks.of(position);
      const at = position >>> 0;
      if (ttl.isNeeded && offset < level.freshFrom && ttl.isExpired(chunk, at)) {
        budget = Math.max(0, budget - DISCARD_COST);
        this.#limits.discards.discard(level, offset, bodyBytesAt(chunk, at), 'expired');
      } else if (consumer === null) {
        this.#answerGetter(level, offset, chunk, at);
      } else {
        this.#deliver(consumer, level, offset, chunk, at);
      }
    }
    this.answerEmpty();
    depth.dropEstimate();
    return true;
  }

  /** There is no message for those who wait. */
  answerEmpty(): void {
    if (this.getters.length === 0) return;
    for (const { getter } of this.getters.splice(0)) getter.empty();
  }

  #deliver(consumer: Consumer, level: PriorityLevel, offset: number, chunk: Chunk, at: number): void {
    parse(chunk, at);
    const bodyBytes = content.bodyEnd - content.bodyStart;
    const publishedMs = frameTimestampMs(chunk, at);
    const redelivered = level.deliver(offset, bodyBytes);
    consumer.credit--;
    // The sink copies the message before anything can free its memory.
    if (consumer.sink.deliver(consumer, level, offset, chunk, at, redelivered, content) === false) {
      consumer.credit++;
      this.#consumers.park(consumer);
      level.undeliver(offset, bodyBytes, !redelivered);
      return;
    }
    this.#delivered(level, offset, publishedMs, redelivered);
    if (consumer.noAck) level.acknowledgeAtOnce(offset);
  }

  #answerGetter(level: PriorityLevel, offset: number, chunk: Chunk, at: number): void {
    const { getter, noAck } = this.getters.shift() as PendingGet;
    parse(chunk, at);
    const bodyBytes = content.bodyEnd - content.bodyStart;
    const publishedMs = frameTimestampMs(chunk, at);
    const redelivered = level.deliver(offset, bodyBytes);
    if (getter.message(level, offset, chunk, at, redelivered, this.#depth.ready, content) === false) {
      level.undeliver(offset, bodyBytes, !redelivered);
      return;
    }
    this.#delivered(level, offset, publishedMs, redelivered);
    if (noAck) level.acknowledgeAtOnce(offset);
  }

  #delivered(level: PriorityLevel, offset: number, publishedMs: number, redelivered: boolean): void {
    const ledger = this.#ledger;
    ledger.delivered++;
    if (redelivered) ledger.redelivered++;
    ledger.publishToDeliver.record(this.#turn.nowMs - publishedMs);
    if (offset < level.log.tailStart) level.log.readAhead?.release(offset);
  }
}
