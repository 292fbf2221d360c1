import { finished } from '../../../src/base/turn-time.ts';
import type { Table } from '../../../src/base/value.ts';
import type { DeadLetterEntry } from '../../../src/broker/queues/dead-letter-outbox.ts';
import type { RequeueReason } from '../../../src/broker/queues/delivery-outcome.ts';
import { Ledger, QueueDepth } from '../../../src/broker/queues/message-ledger.ts';
import type { QueueDeps, ReturnCounts } from '../../../src/broker/queues/ports.ts';
import { bodyBytesAt, type LevelOwner, PriorityLevel } from '../../../src/broker/queues/priority-level.ts';
import { Queue } from '../../../src/broker/queues/queue.ts';
import { QueueLimits } from '../../../src/broker/queues/queue-limits.ts';
import { settingsFromArguments } from '../../../src/broker/queues/queue-settings.ts';
import { DeliveryGate } from '../../../src/broker/shard/delivery-gate.ts';
import { Turn } from '../../../src/broker/shard/turn.ts';
import { ChunkStore, FRAME_HEADER_BYTES } from '../../../src/log/memory/chunks.ts';
import { QueueLog } from '../../../src/log/queues/queue-log.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { VirtualTime } from '../groups/virtual-time.ts';

/** What a broker is to its queues, in memory and without a disk, on a clock that the test moves. */
export class QueueFixture {
  readonly time = new VirtualTime();
  readonly chunks = new ChunkStore(1 << 16, 0);
  readonly turn = new Turn(this.time, this.time, () => undefined);
  readonly gate = new DeliveryGate();
  /** Batches that came to the dead-letter exchange: offset and reason of each message. */
  readonly deadLetters: string[][] = [];
  readonly returns: ReturnCounts[] = [];
  /** Whether there is room for dead letters. */
  hasRoom = true;
  #nextId = 1;

  log(durable = true): QueueLog {
    const listener = { logHasAcknowledgements: () => undefined, logIsLong: () => undefined };
    return new QueueLog(this.#nextId++, durable, this.chunks, listener);
  }

  get deps(): QueueDeps {
    return {
      id: this.#nextId++,
      turn: this.turn,
      gate: this.gate,
      chunks: this.chunks,
      clock: this.time,
      scheduler: this.time,
      openLog: (_id, durable) => this.log(durable),
      removeLog: (log) => log.dispose(),
      newLevelId: () => this.#nextId++,
      inBackground: finished,
      onCorruption: () => undefined,
      onUnused: () => undefined,
      onIdle: () => undefined,
      deadLetter: (batch) => this.#deadLetter(batch),
      recordReturns: (returns) => {
        this.returns.push(...returns);
      },
    };
  }

  queue(args: Table = {}): Queue {
    const spec = {
      id: null,
      shard: 0,
      vhost: '/',
      name: 'q',
      durable: true,
      exclusiveOwner: null,
      autoDelete: false,
    };
    return new Queue({ ...spec, arguments: args }, this.deps);
  }

  /** Appends a message with a body of so many bytes, and tells the level. */
  publish(level: PriorityLevel, bodyBytes: number, ttlMs = -1): number {
    const view = new MessageView();
    view.body = Buffer.alloc(bodyBytes, 'x');
    view.bodyEnd = bodyBytes;
    view.key = Buffer.from('key');
    view.keyEnd = 3;
    view.ttlMs = ttlMs;
    const contentBytes = view.contentBytes();
    const chunk = this.chunks.acquire('transient', FRAME_HEADER_BYTES + contentBytes);
    chunk.f64[0] = this.turn.nowMs;
    chunk.u32[2] = contentBytes;
    view.write(chunk.buffer, FRAME_HEADER_BYTES);
    chunk.live = 1;
    this.chunks.unpin(chunk);
    const offset = level.log.append(chunk.position(0), contentBytes);
    level.published(bodyBytes);
    return offset;
  }

  /** Goes on by so many milliseconds; turns and timers that are due run. */
  pass(ms: number): void {
    this.time.pass(ms);
    this.turn.touch();
  }

  /** Of the ready messages of these levels, as their logs have it. */
  readyBytes(
    levels: readonly PriorityLevel[],
    isReady: (level: PriorityLevel, offset: number) => boolean,
  ): number {
    let bytes = 0;
    for (const level of levels) {
      const { log } = level;
      for (
        let offset = log.nextUnacknowledged(0);
        offset < log.end;
        offset = log.nextUnacknowledged(offset + 1)
      ) {
        const position = log.positionOf(offset);
        if (isReady(level, offset)) bytes += bodyBytesAt(this.chunks.of(position), position >>> 0);
      }
    }
    return bytes;
  }

  #deadLetter(batch: readonly DeadLetterEntry[]): number {
    if (!this.hasRoom) return 0;
    this.deadLetters.push(batch.map(({ offset, reason }) => `${offset} ${reason}`));
    for (const { level, offset } of batch) level.settle(offset);
    return batch.length;
  }
}

/** The limits of a queue and its levels, without what delivers. */
export class LimitsFixture extends QueueFixture implements LevelOwner {
  readonly name = 'q';
  readonly isRemoved = false;
  readonly depth = new QueueDepth();
  readonly ledger = new Ledger();
  readonly limits: QueueLimits;
  /** The highest priority first. */
  readonly levels: readonly PriorityLevel[];
  /** How often a pump was asked for. */
  pumps = 0;

  constructor(args: Table, { priorities = 1, durable = true } = {}) {
    super();
    this.limits = new QueueLimits(this.deps, this.depth, this.ledger, () => {
      this.pumps++;
    });
    const settings = settingsFromArguments(args);
    const { depth, ledger, turn } = this;
    const { outbox, deliveries: deliveryLimit, retry: delayedRetry } = this.limits;
    const levelDeps = { depth, ledger, turn, outbox, deliveryLimit, delayedRetry };
    this.levels = Array.from({ length: priorities }, (_, i) => {
      const level = new PriorityLevel(this, priorities - 1 - i, this.log(durable), levelDeps);
      level.countFailures(settings.countsDeliveries || settings.retry !== null);
      return level;
    });
    this.limits.configure(settings, this.levels);
  }

  get level(): PriorityLevel {
    return this.levels[0];
  }

  published(bodyBytes: number): void {
    this.depth.published(bodyBytes);
    this.ledger.routed++;
  }

  wake(): void {}

  messagesExpire(): void {
    this.limits.messagesExpire();
  }

  apply(): void {
    this.limits.apply(this.levels);
  }

  /** A consumer takes the next message, and fails. */
  fail(reason: RequeueReason = 'rejected'): void {
    const { level } = this;
    const offset = level.peek();
    const position = level.log.positionOf(offset);
    const bodyBytes = bodyBytesAt(this.chunks.of(position), position >>> 0);
    level.deliver(offset, bodyBytes);
    level.requeue(offset, bodyBytes, reason);
  }

  /** As if all messages below this offset lay in segments, of which none is read. */
  page(level: PriorityLevel, offset: number): void {
    level.log.dropTail(offset);
  }
}
