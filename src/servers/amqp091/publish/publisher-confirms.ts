import type { Broker } from '../../../broker/broker.ts';
import { REFUSED } from '../../../broker/publishing/publisher.ts';
import type { SafeListener } from '../../../broker/shard/waits.ts';
import { FRAME_END, FRAME_METHOD, FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import {
  ACK_MULTIPLE,
  ACK_PAYLOAD_BYTES,
  BASIC_ACK,
  BASIC_NACK,
  NACK_REQUEUE,
} from '../../../wire/amqp091/methods.ts';
import { type LateWriter, type Output, writeFramePrefix, writeU32, writeU64 } from '../connection/output.ts';
import { AWAITED, AwaitedTokens, NONE, REFUSED_LATE } from './awaited-tokens.ts';

/** So many messages that need a basic.ack or basic.nack of their own wait for it at most: then they become output that is not read. */
const ALONE_MAX = 1024;
/** Messages of one channel that wait for a token and are not told: its connection is not read until half of them are. */
const TOKENS_MAX = 16_384;
/** Memory for so many tokens is kept while there are none. */
const TOKENS_KEPT = 1024;

/** What confirms do to their connection: `ConnectionContext` has it. */
export interface PausedConnection {
  pausePublishing(): void;
  resumePublishing(): void;
}

/**
 * RabbitMQ's publisher confirms of one channel, in the order of the publishes. A message is confirmed when its journal
 * block and those before it are durable; all that are by the end of a turn go into one `basic.ack`, and all until the client
 * reads, if it does not.
 *
 *     1 .......... #told ......... #confirmed ......... #last
 *     | acked      | to be acked   | waits for its block |
 *
 * A message whose wait is a token is also not told before its token has answered, but holds up no other: it is passed over.
 *
 *     1 .......... T ......... T ......... #told
 *     | acked      ^ passed over: what is behind it is acked one by one, as `multiple` would cover it
 */
export class PublisherConfirms implements LateWriter, SafeListener {
  latePending = false;
  readonly #broker: Broker;
  readonly #output: Output;
  readonly #channel: number;
  readonly #connection: PausedConnection;
  #told = 0;
  #confirmed = 0;
  #last = 0;
  /** Journal blocks that are not durable yet, and the last sequence number in each: as many as writes are in flight. */
  readonly #blocks: number[] = [];
  readonly #lasts: number[] = [];
  /** Sequence numbers of messages that a full queue refused (reject-publish), without a basic.nack yet. */
  readonly #refused: number[] = [];
  /** Of messages that wait for a token; null if there were none lately. */
  #tokens: AwaitedTokens | null = null;
  /** Their first entry behind `#told`. */
  #nextEntry = NONE;
  /** Messages up to `#told` that are not told: they are awaited, or in one of the two lists below. */
  #passedOver = 0;
  readonly #safeLate: number[] = [];
  readonly #refusedLate: number[] = [];
  /** While confirms are written: messages for the next basic.ack, and the last of them. */
  #dueCount = 0;
  #dueTo = 0;
  #isPaused = false;
  #isClosed = false;

  constructor(broker: Broker, output: Output, channel: number, connection: PausedConnection) {
    this.#broker = broker;
    this.#output = output;
    this.#channel = channel;
    this.#connection = connection;
  }

  /** Published without a basic.ack or basic.nack yet. */
  get unconfirmedCount(): number {
    return this.#last - this.#told + this.#passedOver;
  }

  /**
   * `wait`: the journal block that must be durable, 0 if only those before it must be, REFUSED, or a token that has to answer
   * besides those.
   */
  published(wait: number): void {
    const sequence = ++this.#last;
    if (wait < 0) {
      if (wait === REFUSED) this.#refused.push(sequence);
      else this.#await(wait, sequence);
      wait = 0;
    }
    const newest = this.#blocks.length - 1;
    if (newest < 0) {
      if (wait === 0) {
        this.#confirmed = sequence;
        this.#writeLater();
        return;
      }
    } else if (wait <= this.#blocks[newest]) {
      this.#lasts[newest] = sequence;
      return;
    }
    this.#blocks.push(wait);
    this.#lasts.push(sequence);
    this.#broker.shard.whenDurable(wait, this);
  }

  onDurable(block: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0] <= block) {
      this.#blocks.shift();
      this.#confirmed = this.#lasts.shift() ?? this.#confirmed;
    }
    if (this.#confirmed > this.#told && !this.#isClosed) this.#writeLater();
  }

  #await(token: number, sequence: number): void {
    this.#tokens ??= new AwaitedTokens();
    const tokens = this.#tokens;
    const entry = tokens.add(token, sequence);
    if (this.#nextEntry === NONE) this.#nextEntry = entry;
    if (tokens.count >= TOKENS_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#connection.pausePublishing();
    }
    this.#broker.shard.waits.listen(token, this);
  }

  onSafe(token: number, isRefused: boolean): void {
    const tokens = this.#tokens as AwaitedTokens;
    const entry = tokens.answered(token, isRefused);
    const sequence = tokens.sequenceOf(entry);
    // Those that are not passed over yet are told in their turn.
    if (sequence > this.#told) return;
    this.#remove(tokens, entry);
    if (isRefused) this.#refusedLate.push(sequence);
    else this.#safeLate.push(sequence);
    this.#writeLater();
  }

  #remove(tokens: AwaitedTokens, entry: number): void {
    tokens.remove(entry);
    if (this.#isPaused && tokens.count <= TOKENS_MAX / 2) this.#resume();
  }

  #resume(): void {
    this.#isPaused = false;
    this.#connection.resumePublishing();
  }

  #writeLater(): void {
    if (this.#refused.length >= ALONE_MAX || (this.#tokens !== null && this.#hasManyAlone(this.#tokens)))
      this.writeLate();
    else if (!this.latePending) this.#output.later(this);
  }

  #hasManyAlone(tokens: AwaitedTokens): boolean {
    return (
      this.#safeLate.length + this.#refusedLate.length >= ALONE_MAX ||
      (tokens.awaitedCount > 0 && this.#confirmed - this.#told >= ALONE_MAX)
    );
  }

  /** A basic.ack with `multiple` never covers a refused message: what is before it is acknowledged first. */
  writeLate(): void {
    if (this.#isClosed) return;
    if (this.#tokens !== null) {
      this.#writeAround(this.#tokens);
      return;
    }
    const refused = this.#refused;
    while (refused.length > 0 && refused[0] <= this.#confirmed) {
      const sequence = refused.shift() as number;
      if (sequence - 1 > this.#told) this.#ackTo(sequence - 1, sequence - 1 - this.#told);
      this.#nack(sequence);
      this.#told = sequence;
    }
    if (this.#confirmed === this.#told) return;
    this.#ackTo(this.#confirmed, this.#confirmed - this.#told);
    this.#told = this.#confirmed;
  }

  /** The same while there are tokens: `multiple` covers none that is awaited either. */
  #writeAround(tokens: AwaitedTokens): void {
    const { first } = tokens;
    // What was passed over has an entry only as long as it is awaited.
    const lowest = first === this.#nextEntry ? Number.POSITIVE_INFINITY : tokens.sequenceOf(first);
    this.#tellLate(lowest);
    this.#tellConfirmed(tokens, lowest === Number.POSITIVE_INFINITY);
    this.#writeDue();
    if (tokens.count === 0 && tokens.capacity > TOKENS_KEPT) this.#tokens = null;
  }

  /** Those that were passed over, and have their answer; `lowest` is the first one that is awaited. */
  #tellLate(lowest: number): void {
    const refused = this.#refusedLate;
    const safe = this.#safeLate;
    this.#passedOver -= refused.length + safe.length;
    for (let i = 0; i < refused.length; i++) this.#nack(refused[i]);
    for (let i = 0; i < safe.length; i++) this.#tellSafe(safe[i], safe[i], safe[i] < lowest);
    refused.length = 0;
    safe.length = 0;
  }

  /** All up to `#confirmed`, but for those that are awaited. `isFree`: no message before them is. */
  #tellConfirmed(tokens: AwaitedTokens, isFree: boolean): void {
    const refused = this.#refused;
    const end = this.#confirmed;
    while (this.#told < end) {
      const entry = this.#nextEntry;
      const first = this.#told + 1;
      const token = entry === NONE ? Number.POSITIVE_INFINITY : tokens.sequenceOf(entry);
      const stop = Math.min(token, refused.length > 0 ? refused[0] : end + 1, end + 1);
      if (stop > first) {
        this.#tellSafe(first, stop - 1, isFree);
        this.#told = stop - 1;
        continue;
      }
      this.#told = first;
      if (token === first) {
        if (!this.#tellToken(tokens, entry, isFree)) isFree = false;
      } else {
        refused.shift();
        this.#writeDue();
        this.#nack(first);
      }
    }
  }

  /** False if it is passed over. */
  #tellToken(tokens: AwaitedTokens, entry: number, isFree: boolean): boolean {
    const sequence = tokens.sequenceOf(entry);
    const state = tokens.stateOf(entry);
    this.#nextEntry = tokens.after(entry);
    if (state === AWAITED) {
      this.#passedOver++;
      this.#writeDue();
      return false;
    }
    this.#remove(tokens, entry);
    if (state === REFUSED_LATE) {
      this.#writeDue();
      this.#nack(sequence);
    } else {
      this.#tellSafe(sequence, sequence, isFree);
    }
    return true;
  }

  /** Messages that are safe, alone if one before them is awaited, else with all that are due. */
  #tellSafe(first: number, last: number, isFree: boolean): void {
    if (isFree) {
      this.#dueCount += last - first + 1;
      this.#dueTo = Math.max(this.#dueTo, last);
      return;
    }
    for (let sequence = first; sequence <= last; sequence++) this.#ackTo(sequence, 1);
  }

  #writeDue(): void {
    if (this.#dueCount > 0) this.#ackTo(this.#dueTo, this.#dueCount);
    this.#dueCount = 0;
    this.#dueTo = 0;
  }

  /** `count` messages that are not told, of which this one is the last; all before them are told. */
  #ackTo(tag: number, count: number): void {
    this.#write(BASIC_ACK, tag, count > 1 ? ACK_MULTIPLE : 0);
  }

  /** The bit means nothing to a publisher; RabbitMQ sets it. */
  #nack(tag: number): void {
    this.#write(BASIC_NACK, tag, NACK_REQUEUE);
  }

  #write(method: number, tag: number, bits: number): void {
    const output = this.#output;
    output.reserve(FRAME_PREFIX_BYTES + ACK_PAYLOAD_BYTES + 1);
    const target = output.buffer;
    let at = writeFramePrefix(output.view, output.position, FRAME_METHOD, this.#channel, ACK_PAYLOAD_BYTES);
    at = writeU32(output.view, at, method);
    at = writeU64(output.view, at, tag);
    target[at++] = bits;
    target[at++] = FRAME_END;
    output.position = at;
  }

  /** The channel ends: writes the confirms that are due, and no more. Nobody waits for its tokens. */
  close(): void {
    this.writeLate();
    this.#isClosed = true;
    if (this.#tokens !== null)
      for (const token of this.#tokens.awaited()) this.#broker.shard.waits.forget(token);
    this.#tokens = null;
    if (this.#isPaused) this.#resume();
  }
}
