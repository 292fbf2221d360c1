import type { Work } from '../../../base/turn-time.ts';
import { FRAME_CANCELLED, FRAME_ENDED, FRAME_SETTLE } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { ConsumerRequest } from '../../queues/consumer.ts';
import { PriorityLevel } from '../../queues/priority-level.ts';
import type { Queue } from '../../queues/queue.ts';
import { Unacknowledged } from '../../queues/unacknowledged.ts';
import type { RemoteSettlement } from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import { AttachedConsumer, type ConsumersPeer } from './attached-consumer.ts';
import { memoryOf, ReceivedMemory } from './deliver-frame.ts';
import { DeliverOutput } from './deliver-output.ts';
import { ALLOW, CANCEL, CREDIT, ENTRY_NUMBERS, KINDS_MAX, OUTCOMES } from './settle-frame.ts';

/** What may be on its way to one consumer, and to all of one shard; each of very many has a little in any case. */
const WINDOW_BYTES_MAX = 1024 * 1024;
const WINDOW_BYTES_MIN = 16 * 1024;
const WINDOWS_BYTES_MAX = 64 * 1024 * 1024;
/** Deliveries that are settled at once in one turn: more wait for their time. */
const SETTLED_PER_TURN_MAX = 8192;

/** What a consumer of another shard asks of a queue here. */
export type AttachRequest = Pick<
  ConsumerRequest,
  'tag' | 'credit' | 'exclusive' | 'priority' | 'arguments'
> & {
  readonly number: number;
  /** How many messages it may be given before more is said. */
  readonly allowance: number;
};

/** The consumers of queues here whose clients are in one other shard, and what that says of their deliveries. */
export class AttachedConsumers implements ConsumersPeer, FrameReceiver {
  readonly output: DeliverOutput;
  /** What basic.get has given out. */
  readonly gets = new Unacknowledged();
  windowBytes = WINDOW_BYTES_MAX;
  readonly #shard: Shard;
  readonly #memory = new ReceivedMemory();
  readonly #byNumber = new Map<number, AttachedConsumer>();
  /** Entries that wait for their time, flat; at most as many as there are deliveries. */
  #backlog: number[] = [];
  #turnMs = 0;
  #settledInTurn = 0;

  constructor(room: SharedRoom, shard: Shard) {
    this.#shard = shard;
    this.output = new DeliverOutput(room);
    room.door.receive(FRAME_SETTLE, this);
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** @throws BrokerError as `Queue.addConsumer` */
  attach(queue: Queue, { number, allowance, ...request }: AttachRequest): void {
    const attached = new AttachedConsumer(number, allowance, this);
    // What does not acknowledge does so in its own shard, when the client has the message.
    attached.consumer = queue.addConsumer({
      ...request,
      sink: attached,
      gate: attached.gate,
      noAck: false,
    });
    this.#byNumber.set(number, attached);
    this.#sizeChanged();
  }

  cancelled(attached: AttachedConsumer): void {
    this.#tell(FRAME_CANCELLED, attached.number);
    this.#endIfOver(attached);
  }

  /** Whether a session has this delivery. If none has, it is one of an earlier life. */
  hasDelivery({ session, tag, logId, offset, publishedMs }: RemoteSettlement): boolean {
    const source = this.#deliveriesOf(session)?.sourceOf(tag, offset, publishedMs);
    return source instanceof PriorityLevel && source.log.id === logId;
  }

  /** What is said in a tx, of a delivery that a session has. */
  settleInTx({ session, tag, outcome }: RemoteSettlement): void {
    this.#deliveriesOf(session)?.settle(tag, false, outcome);
    const attached = this.#byNumber.get(session);
    if (attached !== undefined) this.#endIfOver(attached);
  }

  #deliveriesOf(session: number): Unacknowledged | undefined {
    return session === 0 ? this.gets : this.#byNumber.get(session)?.unacknowledged;
  }

  /** Called by the door. */
  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    const { f64 } = this.#memory.of(buffer);
    if (this.#shard.nowMs !== this.#turnMs) {
      this.#turnMs = this.#shard.nowMs;
      this.#settledInTurn = 0;
    }
    for (let at = start >>> 3; at < end >>> 3; at += ENTRY_NUMBERS) {
      if (this.#backlog.length > 0 || this.#settledInTurn >= SETTLED_PER_TURN_MAX)
        this.#postpone(f64[at], f64[at + 1], f64[at + 2]);
      else this.#settledInTurn += this.#entry(f64[at], f64[at + 1], f64[at + 2]);
    }
    return true;
  }

  #postpone(head: number, from: number, to: number): void {
    this.#backlog.push(head, from, to);
    if (this.#backlog.length === ENTRY_NUMBERS)
      this.#shard.inBackground(this.#work(), 'to settle what consumers of another shard have acknowledged');
  }

  *#work(): Work<void> {
    while (this.#backlog.length > 0) {
      const entries = this.#backlog;
      for (let at = 0; at < entries.length; at += ENTRY_NUMBERS) {
        this.#entry(entries[at], entries[at + 1], entries[at + 2]);
        yield;
      }
      // What came meanwhile is among them.
      this.#backlog = [];
    }
  }

  /** Returns how many deliveries it has settled. */
  #entry(head: number, from: number, to: number): number {
    const number = Math.floor(head / KINDS_MAX);
    const kind = head % KINDS_MAX;
    const outcome = OUTCOMES[kind] ?? null;
    if (number === 0) return outcome === null ? 0 : this.gets.settleBetween(from, to, outcome);
    const attached = this.#byNumber.get(number);
    // The broker has cancelled it, and it had nothing more.
    if (attached === undefined) return 0;
    if (kind === CREDIT) {
      attached.credit(from, to);
      return 0;
    }
    if (kind === ALLOW) attached.allow(from);
    if (kind === CANCEL) attached.consumer?.cancel();
    const count = outcome === null ? 0 : attached.unacknowledged.settleBetween(from, to, outcome);
    this.#endIfOver(attached);
    return count;
  }

  #endIfOver(attached: AttachedConsumer): void {
    if (!attached.isOver || !this.#byNumber.delete(attached.number)) return;
    this.#sizeChanged();
    this.#tell(FRAME_ENDED, attached.number);
  }

  #sizeChanged(): void {
    const share = Math.floor(WINDOWS_BYTES_MAX / Math.max(1, this.#byNumber.size));
    this.windowBytes = Math.max(WINDOW_BYTES_MIN, Math.min(WINDOW_BYTES_MAX, share));
  }

  #tell(kind: number, number: number): void {
    const payload = memoryOf(Buffer.allocUnsafeSlow(8));
    payload.u32[0] = number;
    this.output.control(kind, payload.buffer.subarray(0, 4));
  }
}
