import type { Table } from '../base/value.ts';
import type { Chunk, ChunkStore } from '../log/chunks.ts';
import type { DamageError } from '../log/damage.ts';
import type { MessageLog } from '../log/message-log.ts';
import type { LogEvents } from '../log/store.ts';
import { Consumer, type ConsumerRequest } from './consumer.ts';
import { BrokerError } from './errors.ts';
import { Ledger } from './ledger.ts';
import { OffsetHeap } from './offset-heap.ts';
import type { QueueSpec, TopologyQueue } from './topology/ports.ts';
import type { Pumped, Turn } from './turn.ts';

/** One answer to one request for one message. */
export interface Getter {
  message(
    queue: Queue,
    offset: number,
    chunk: Chunk,
    at: number,
    redelivered: boolean,
    remaining: number,
  ): void;
  empty(): void;
}

/** What a queue needs of the broker. */
export interface QueueParts {
  readonly id: number;
  readonly turn: Turn;
  readonly chunks: ChunkStore;
  openLog(id: number, durable: boolean, events: LogEvents): MessageLog;
  removeLog(log: MessageLog): void;
  onDamage(queue: Queue, error: DamageError): void;
  /** The last consumer of an auto-delete queue went away. */
  onUnused(queue: Queue): void;
}

/** How many messages one queue hands out before others get their turn. */
const PUMP_MESSAGES_MAX = 16384;

/**
 * Competing consumers over one log.
 *
 *     0 ....... head ............... next ............ end
 *     | settled | delivered, settled   | not delivered yet |
 *               | or given back        |
 *
 * Each message between head and next is settled, unacknowledged at a consumer, or in `returned`: given back, and
 * the first to be delivered again, at its old place.
 */
export class Queue implements TopologyQueue, Pumped {
  readonly id: number;
  readonly vhost: string;
  readonly name: string;
  readonly durable: boolean;
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly log: MessageLog;
  readonly ledger = new Ledger();
  readyCount = 0;
  unackedCount = 0;
  pumpPending = false;
  isRemoved = false;
  /** Set when a message could not be read: nothing more is delivered, but what is published is kept. */
  damage: DamageError | null = null;
  readonly consumers: Consumer[] = [];
  #next = 0;
  readonly #returned = new OffsetHeap();
  /** Messages below were perhaps delivered before the broker stopped. */
  #redeliveredBelow = 0;
  /** Below, settled offsets may lie between undelivered ones. */
  #sparseBelow = 0;
  /** Messages from here on belong to a transaction that is not durable yet. */
  #heldFrom = Number.POSITIVE_INFINITY;
  readonly #holds: number[] = [];
  #cursor = 0;
  #getters: { readonly getter: Getter; readonly noAck: boolean }[] = [];
  readonly #turn: Turn;
  readonly #chunks: ChunkStore;
  readonly #parts: QueueParts;

  constructor(spec: QueueSpec, parts: QueueParts) {
    this.id = parts.id;
    this.vhost = spec.vhost;
    this.name = spec.name;
    this.durable = spec.durable;
    this.exclusiveOwner = spec.exclusiveOwner;
    this.autoDelete = spec.autoDelete;
    this.arguments = spec.arguments;
    this.#parts = parts;
    this.#turn = parts.turn;
    this.#chunks = parts.chunks;
    this.log = parts.openLog(parts.id, spec.durable && spec.exclusiveOwner === null, {
      onLoaded: () => this.wake(),
      onMissing: (offset) => this.#lose(offset),
      onDamage: (error) => this.#stopFor(error),
    });
  }

  get consumerCount(): number {
    return this.consumers.length;
  }

  /** Offsets below were handed to somebody at least once. */
  get deliveredBelow(): number {
    return Math.max(this.#next, this.#redeliveredBelow);
  }

  /** Called once the log is recovered: everything that is not settled is ready. */
  recovered(deliveredBelow: number): void {
    const { log } = this;
    this.#next = log.head;
    this.#sparseBelow = log.end;
    this.#redeliveredBelow = Math.min(deliveredBelow, log.end);
    this.readyCount = log.end - log.head - log.settled.countIn(log.head, log.end);
    this.ledger.recovered = this.readyCount;
  }

  /** A message was appended to the log. */
  published(): void {
    this.readyCount++;
    this.ledger.routed++;
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  wake(): void {
    if (this.readyCount > 0 && !this.pumpPending && !this.isRemoved) this.#turn.pumpLater(this);
  }

  /**
   * @throws BrokerError access-refused, if somebody else is there exclusively or this one wants to be;
   *     precondition-failed, if the queue is damaged
   */
  addConsumer(request: ConsumerRequest): Consumer {
    this.assertReadable();
    const refused = request.exclusive ? this.consumers.length > 0 : this.consumers.some((c) => c.exclusive);
    if (refused) {
      throw new BrokerError(
        'access-refused',
        `queue '${this.name}' in vhost '${this.vhost}' in exclusive use`,
      );
    }
    const consumer = new Consumer(this, request);
    this.consumers.push(consumer);
    this.wake();
    return consumer;
  }

  removeConsumer(consumer: Consumer): void {
    consumer.isActive = false;
    const at = this.consumers.indexOf(consumer);
    if (at < 0) return;
    this.consumers.splice(at, 1);
    if (this.#cursor > at) this.#cursor--;
    if (this.autoDelete && this.consumers.length === 0 && !this.isRemoved) this.#parts.onUnused(this);
  }

  /** One message for somebody who asks; answered at once, or when the message was read from disk. */
  get(noAck: boolean, getter: Getter): void {
    if (this.damage !== null || this.readyCount === 0 || this.#peek() >= this.#heldFrom) {
      getter.empty();
      return;
    }
    this.#getters.push({ getter, noAck });
    this.pump();
  }

  /** Hands out what it can. Stops where the next message is not in memory, or nobody can take it. */
  pump(): void {
    if (this.damage !== null) return;
    let budget = PUMP_MESSAGES_MAX;
    const { log } = this;
    while (this.readyCount > 0) {
      const isAsked = this.#getters.length > 0;
      const consumer = isAsked ? null : this.#nextConsumer();
      if (!isAsked && consumer === null) return;
      const offset = this.#peek();
      if (offset >= this.#heldFrom) break;
      const position = log.positionOf(offset);
      if (position < 0) {
        (log.readAhead as NonNullable<typeof log.readAhead>).load(offset);
        return;
      }
      if (budget-- === 0) {
        this.#turn.pumpLater(this);
        return;
      }
      if (consumer === null) this.#answerGetter(offset, position);
      else this.#deliver(consumer, offset, position);
    }
    this.#answerEmpty();
  }

  /** The consumer is done with the message. */
  settleDelivered(offset: number, publishedMs: number): void {
    if (this.isRemoved) return;
    this.unackedCount--;
    this.ledger.acknowledged++;
    this.ledger.publishToAck.record(this.#turn.nowMs - publishedMs);
    this.log.settle(offset);
    if (this.log.durable) this.#turn.schedule();
  }

  /** The consumer did not process the message: it goes back to its place. */
  requeue(offset: number): void {
    if (this.isRemoved) return;
    this.unackedCount--;
    this.readyCount++;
    this.#returned.push(offset);
    this.wake();
  }

  /** Removes what is ready; returns how many messages that were. */
  purge(): number {
    const { log } = this;
    const count = this.readyCount;
    while (this.#returned.size > 0) this.#dispose(this.#returned.pop());
    if (this.#next < log.tailStart) {
      log.readAhead?.drop();
      log.settleStored(this.#next, log.tailStart);
    }
    for (
      let offset = log.nextUnsettled(Math.max(this.#next, log.tailStart));
      offset < log.end;
      offset = log.nextUnsettled(offset + 1)
    ) {
      this.#dispose(offset);
    }
    this.#next = log.end;
    this.readyCount = 0;
    // What could not be read is not wanted any more.
    this.damage = null;
    log.isDamaged = false;
    this.ledger.purged += count;
    if (log.durable) this.#turn.schedule();
    return count;
  }

  /** What was published from `offset` on waits until `release`. */
  hold(offset: number): void {
    this.#holds.push(offset);
    this.#heldFrom = this.#holds[0] as number;
  }

  /** The oldest hold ends: its transaction is durable. */
  release(): void {
    this.#holds.shift();
    this.#heldFrom = this.#holds[0] ?? Number.POSITIVE_INFINITY;
    this.wake();
  }

  /** From the topology: the queue was deleted. Returns the number of messages that were ready. */
  remove(): number {
    const count = this.readyCount;
    this.isRemoved = true;
    this.#cancelConsumers();
    this.#answerEmpty();
    this.readyCount = 0;
    this.unackedCount = 0;
    this.#returned.clear();
    this.#parts.removeLog(this.log);
    return count;
  }

  /** @throws BrokerError precondition-failed, if the queue is damaged */
  assertReadable(): void {
    if (this.damage === null) return;
    throw new BrokerError(
      'precondition-failed',
      `queue '${this.name}' in vhost '${this.vhost}' delivers nothing: ${this.damage.message}`,
    );
  }

  #stopFor(error: DamageError): void {
    this.damage = error;
    this.#parts.onDamage(this, error);
    this.#cancelConsumers();
    this.#answerEmpty();
  }

  /** Without consequences: an auto-delete queue stays. */
  #cancelConsumers(): void {
    for (const consumer of this.consumers.splice(0)) {
      consumer.isActive = false;
      consumer.sink.cancelled(consumer);
    }
  }

  /** The offset that is next to be delivered. There must be one. */
  #peek(): number {
    if (this.#returned.size > 0) return this.#returned.min;
    if (this.#next < this.#sparseBelow) this.#next = this.log.nextUnsettled(this.#next);
    return this.#next;
  }

  #nextConsumer(): Consumer | null {
    const { consumers } = this;
    const count = consumers.length;
    let at = this.#cursor;
    for (let i = 0; i < count; i++) {
      if (at >= count) at = 0;
      const consumer = consumers[at] as Consumer;
      at++;
      if (consumer.credit > 0 && consumer.gate.open) {
        this.#cursor = at;
        return consumer;
      }
    }
    return null;
  }

  #deliver(consumer: Consumer, offset: number, position: number): void {
    const redelivered = this.#take(offset);
    const chunk = this.#chunks.of(position);
    const at = position >>> 0;
    const publishedMs = chunk.f64[at >>> 3] as number;
    this.ledger.publishToDeliver.record(this.#turn.nowMs - publishedMs);
    consumer.credit--;
    this.unackedCount++;
    // The sink copies the message before anything can free its memory.
    consumer.sink.deliver(consumer, offset, chunk, at, redelivered);
    if (offset < this.log.tailStart) this.log.readAhead?.release(offset);
    if (consumer.noAck) this.#settleAtOnce(offset);
  }

  #answerGetter(offset: number, position: number): void {
    const { getter, noAck } = this.#getters.shift() as { getter: Getter; noAck: boolean };
    const redelivered = this.#take(offset);
    const chunk = this.#chunks.of(position);
    const at = position >>> 0;
    this.unackedCount++;
    this.ledger.publishToDeliver.record(this.#turn.nowMs - (chunk.f64[at >>> 3] as number));
    getter.message(this, offset, chunk, at, redelivered, this.readyCount);
    if (offset < this.log.tailStart) this.log.readAhead?.release(offset);
    if (noAck) this.#settleAtOnce(offset);
  }

  /** The message leaves the ready ones. True if it was handed out before. */
  #take(offset: number): boolean {
    this.readyCount--;
    this.ledger.delivered++;
    let redelivered = offset < this.#redeliveredBelow;
    if (offset === this.#next) {
      this.#next = offset + 1;
    } else {
      this.#returned.pop();
      redelivered = true;
    }
    if (redelivered) this.ledger.redelivered++;
    return redelivered;
  }

  #settleAtOnce(offset: number): void {
    // The delivery may have led to the end of the queue.
    if (this.isRemoved) return;
    this.unackedCount--;
    this.ledger.acknowledged++;
    this.log.settle(offset);
    if (this.log.durable) this.#turn.schedule();
  }

  #answerEmpty(): void {
    if (this.#getters.length === 0) return;
    const getters = this.#getters;
    this.#getters = [];
    for (const { getter } of getters) getter.empty();
  }

  #dispose(offset: number): void {
    if (offset < this.log.tailStart) this.log.readAhead?.release(offset);
    this.log.settle(offset);
  }

  /** A message that should be in a segment is not: its damaged batch was cut off. */
  #lose(offset: number): void {
    if (this.isRemoved || this.log.isSettled(offset)) return;
    if (offset === this.#returned.min) this.#returned.pop();
    else if (offset < this.#next) return; // A consumer has it.
    this.readyCount--;
    this.ledger.lost++;
    this.log.settle(offset);
    if (offset === this.#next) this.#next = offset + 1;
    this.#sparseBelow = Math.max(this.#sparseBelow, this.log.tailStart);
  }
}
