import type { Json } from '../../../base/value-json.ts';
import { FRAME_PARTITION_OFFSETS, FRAME_PARTITION_SLICE } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError } from '../../errors.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Pumped } from '../../shard/turn.ts';
import { offsetAtTime } from '../../streams/consumers/offset-at-time.ts';
import type { Partition } from '../../streams/partition.ts';
import { figuresOf } from '../../streams/partition-figures.ts';
import type { PartitionSlice } from '../../streams/readable-partition.ts';
import { number } from '../command-codec.ts';
import { FrameQueue } from './frame-queue.ts';
import {
  encodeAborted,
  OFFSETS_BYTES,
  OUTCOME_CORRUPT,
  OUTCOME_GONE,
  OUTCOME_READ,
  SLICE_HEAD_BYTES,
  writeOffsets,
} from './partition-frames.ts';
import type { FindPartition } from './stream-append-service.ts';

/** Of one frame. */
const OFFSETS_MAX = 1000;
const NOTHING = Buffer.alloc(0);
const NOTHING_READ: PartitionSlice = { bytes: NOTHING, nextOffset: 0 };

interface Listened {
  readonly partition: Partition;
  stop(): void;
}

/**
 * Has partitions of this shard read by one other shard: answers each read at once, and tells how far those partitions go that
 * somebody listens to there, once per turn. What is on its way is bounded by the other shard, which asks for so many bytes.
 */
export class PartitionReadService implements FrameReceiver, Pumped {
  pumpPending = false;
  readonly #shard: Shard;
  readonly #frames: FrameQueue;
  readonly #find: FindPartition;
  /** By the id of their log. */
  readonly #listened = new Map<number, Listened>();
  readonly #changed = new Set<number>();

  constructor(shard: Shard, room: SharedRoom, find: FindPartition) {
    this.#shard = shard;
    this.#frames = new FrameQueue(room, () => this.pump());
    this.#find = find;
  }

  get listenedCount(): number {
    return this.#listened.size;
  }

  /** From the other shard: it wants to know how far these go, or not any more. */
  listen(note: ShardNote): void {
    for (const id of note.off as readonly number[]) this.#forget(id);
    for (const id of note.on as readonly number[]) {
      const partition = this.#find(id);
      if (partition !== undefined && !this.#listened.has(id))
        this.#listened.set(id, { partition, stop: partition.onAdvance(() => this.#tellLater(id)) });
      this.#tellLater(id);
    }
  }

  /** Null if it is none of these questions. */
  answer(question: ShardNote): Promise<Json> | Json {
    if (question.op === 'partitions.figures') {
      // What came before is there.
      this.#shard.store.flushAccumulator();
      return (question.ids as readonly number[]).map((id) => {
        const partition = this.#find(id);
        return partition === undefined ? null : figuresOf(partition);
      });
    }
    if (question.op !== 'partition.offset-at-time') return null;
    const partition = this.#find(number(question, 'id'));
    if (partition === undefined) throw new BrokerError('not-found', 'the partition is gone');
    return offsetAtTime(partition, number(question, 'timeMs'));
  }

  /** A READ. */
  frame(_kind: number, buffer: Buffer, start: number): boolean {
    const [call, id] = [buffer.readUInt32LE(start), buffer.readUInt32LE(start + 4)];
    const [from, bytesMax] = [buffer.readDoubleLE(start + 8), buffer.readDoubleLE(start + 16)];
    const partition = this.#find(id);
    if (partition === undefined) this.#answer(call, OUTCOME_GONE, NOTHING_READ);
    else if (partition.isCorrupt) this.#answer(call, OUTCOME_CORRUPT, NOTHING_READ);
    else this.#read(partition, call, Math.max(from, partition.startOffset), bytesMax);
    return true;
  }

  #read(partition: Partition, call: number, from: number, bytesMax: number): void {
    partition.read(from, partition.lastStableOffset, bytesMax).then(
      (slice) => {
        const { nextOffset } = slice;
        this.#answer(call, OUTCOME_READ, { ...slice, aborted: partition.abortedIn(from, nextOffset) });
      },
      // Who has to know of it was told.
      () => this.#answer(call, partition.isCorrupt ? OUTCOME_CORRUPT : OUTCOME_GONE, NOTHING_READ),
    );
  }

  #answer(call: number, outcome: number, { bytes, nextOffset, aborted = [] }: PartitionSlice): void {
    const { head } = this.#frames;
    head.setUint32(0, call, true);
    head.setUint32(4, outcome, true);
    head.setFloat64(8, nextOffset, true);
    head.setUint32(16, aborted.length, true);
    head.setUint32(20, 0, true);
    const body = aborted.length === 0 ? bytes : Buffer.concat([encodeAborted(aborted), bytes]);
    this.#frames.send(FRAME_PARTITION_SLICE, SLICE_HEAD_BYTES, body, 0, body.length, true);
    this.#shard.turn.schedule();
  }

  #forget(id: number): void {
    this.#listened.get(id)?.stop();
    this.#listened.delete(id);
    this.#changed.delete(id);
  }

  #tellLater(id: number): void {
    this.#changed.add(id);
    this.#shard.turn.pumpLater(this);
  }

  /** While there is no room, changes add up. */
  pump(): void {
    if (this.#frames.isWaiting || this.#changed.size === 0) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (let from = 0; from < changed.length; from += OFFSETS_MAX)
      this.#tell(changed.slice(from, from + OFFSETS_MAX));
  }

  #tell(ids: readonly number[]): void {
    const body = Buffer.allocUnsafe(ids.length * OFFSETS_BYTES);
    for (const [index, id] of ids.entries()) {
      const partition = this.#find(id);
      if (partition === undefined) this.#forget(id);
      writeOffsets(body, index * OFFSETS_BYTES, id, partition ?? null);
    }
    this.#frames.send(FRAME_PARTITION_OFFSETS, 0, body, 0, body.length, true);
  }
}
