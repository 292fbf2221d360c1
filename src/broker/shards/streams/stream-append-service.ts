import { MessageView } from '../../../records/message-view.ts';
import { FRAME_STREAM_STORED } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { DurableListener, Shard } from '../../shard/shard.ts';
import type { Partition } from '../../streams/partition.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { FrameQueue } from './frame-queue.ts';
import { APPEND_COST, APPEND_HEAD_BYTES, STORED_HEAD_BYTES } from './stream-append-writer.ts';

/** Of one frame of answers. */
const TOKENS_MAX = 4096;

/** Records of one block that is not durable yet. */
interface Unanswered {
  readonly block: number;
  readonly tokens: number[];
  bytes: number;
}

/** Finds the partition with this log; undefined if it is gone. */
export type FindPartition = (logId: number) => Partition | undefined;

/**
 * Takes the records that another shard has for partitions here, and answers when their block is durable. What is in flight is
 * bounded by the other shard, which sends no more before it has its bytes back: they are kept while memory or disk are short here.
 */
export class StreamAppendService implements FrameReceiver, DurableListener {
  readonly #shard: Shard;
  readonly #frames: FrameQueue;
  readonly #find: FindPartition;
  readonly #metadata: KnownMetadata;
  /** Frames whose partition may not be known here yet, and those behind them: as many as the other shard sends. */
  #held: Buffer[] = [];
  readonly #record = new MessageView();
  /** In the order of their blocks: as many as writes are in flight. */
  #unanswered: Unanswered[] = [];
  #keptBytes = 0;
  #isKeeping = false;
  readonly #giveBack = (): void => {
    this.#isKeeping = false;
    this.#answer([], 0);
  };

  constructor(shard: Shard, room: SharedRoom, find: FindPartition, metadata: KnownMetadata) {
    this.#shard = shard;
    this.#frames = new FrameQueue(room);
    this.#find = find;
    this.#metadata = metadata;
  }

  /** See `StreamAppendWriter.append`. */
  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.#held.length === 0 && this.#isKnown(buffer, start)) this.#take(buffer, start, end);
    else this.#hold(buffer, start, end);
    return true;
  }

  /** Whether a partition that is not found is gone. */
  #isKnown(buffer: Buffer, start: number): boolean {
    return buffer.readDoubleLE(start + 16) <= this.#metadata.number;
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const copy = Buffer.allocUnsafe(end - start);
    buffer.copy(copy, 0, start, end);
    this.#held.push(copy);
    if (this.#held.length === 1) this.#takeHeld();
  }

  #takeHeld(): void {
    const held = this.#held;
    let count = 0;
    while (count < held.length && this.#isKnown(held[count], 0)) {
      this.#take(held[count], 0, held[count].length);
      count++;
    }
    this.#held = held.slice(count);
    if (this.#held.length > 0)
      this.#metadata.whenKnown(this.#held[0].readDoubleLE(16), () => this.#takeHeld());
  }

  #take(buffer: Buffer, start: number, end: number): void {
    const partition = this.#find(buffer.readUInt32LE(start));
    const token = buffer.readDoubleLE(start + 8);
    const content = buffer.subarray(start + APPEND_HEAD_BYTES, end);
    // A stream that was deleted meanwhile has taken the record with it.
    if (partition !== undefined) {
      this.#record.content = content;
      partition.gather(this.#record, this.#shard.nowMs);
      this.#record.content = null;
    }
    const block = partition === undefined ? this.#shard.undurableBlock : this.#shard.currentBlock;
    this.#await(token, content.length + APPEND_COST, block);
  }

  #await(token: number, bytes: number, block: number): void {
    const last = this.#unanswered.at(-1);
    if (last !== undefined && last.block === block) {
      last.tokens.push(token);
      last.bytes += bytes;
      return;
    }
    this.#unanswered.push({ block, tokens: [token], bytes });
    this.#shard.whenDurable(block, this);
  }

  onDurable(): void {
    const unanswered = this.#unanswered;
    let count = 0;
    while (count < unanswered.length && this.#shard.isDurable(unanswered[count].block)) count++;
    this.#unanswered = unanswered.slice(count);
    for (let i = 0; i < count; i++) this.#answer(unanswered[i].tokens, unanswered[i].bytes);
  }

  #answer(tokens: readonly number[], bytes: number): void {
    this.#keptBytes += bytes;
    if (!this.#isKeeping) this.#isKeeping = this.#mustKeep();
    const given = this.#isKeeping ? 0 : this.#keptBytes;
    this.#keptBytes -= given;
    let from = 0;
    do {
      const to = Math.min(tokens.length, from + TOKENS_MAX);
      this.#send(from === 0 ? given : 0, tokens, from, to);
      from = to;
    } while (from < tokens.length);
  }

  /** As for those who publish here. */
  #mustKeep(): boolean {
    const { backPressure } = this.#shard;
    if (!backPressure.mustPause([])) return backPressure.mustStay(this.#giveBack);
    backPressure.onResume([], this.#giveBack);
    return true;
  }

  #send(bytes: number, tokens: readonly number[], from: number, to: number): void {
    const { head } = this.#frames;
    const body = Buffer.allocUnsafe((to - from) * 8);
    for (let i = from; i < to; i++) body.writeDoubleLE(tokens[i], (i - from) * 8);
    head.setFloat64(0, bytes, true);
    this.#frames.send(FRAME_STREAM_STORED, STORED_HEAD_BYTES, body, 0, body.length, true);
  }
}
