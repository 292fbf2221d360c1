import {
  FRAME_PARTITION_OFFSETS,
  FRAME_PARTITION_READ,
  FRAME_PARTITION_SLICE,
} from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { ShardLink, ShardSeat } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError } from '../../errors.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Pumped } from '../../shard/turn.ts';
import type { FiguresById, PartitionFigures } from '../../streams/partition-figures.ts';
import type { PartitionReads, ToldPartition } from '../../streams/partition-homes.ts';
import type { PartitionOffsets, PartitionSlice } from '../../streams/readable-partition.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { FrameQueue } from './frame-queue.ts';
import {
  ABORTED_BYTES,
  decodeAborted,
  OFFSETS_BYTES,
  OUTCOME_CORRUPT,
  OUTCOME_READ,
  READ_BYTES,
  readOffsets,
  SLICE_HEAD_BYTES,
} from './partition-frames.ts';

/** Of one slice. A ring takes it as an ordinary frame. */
const SLICE_BYTES = 256 * 1024;
/** Asked for and not let go, of all readers: beyond, each gets one batch. */
const ALL_BYTES = 16 * 1024 * 1024;

interface Reading {
  readonly partition: ToldPartition;
  readonly askedBytes: number;
  resolve(slice: PartitionSlice): void;
  reject(error: Error): void;
}

/** What this shard reads of partitions in one other shard. */
class Home implements FrameReceiver, Pumped {
  pumpPending = false;
  readonly link: ShardLink;
  readonly #deps: RemotePartitionReadsDeps;
  readonly #budget: ReadBudget;
  readonly #frames: FrameQueue;
  readonly #listening = new Map<number, ToldPartition>();
  /** Those that began to listen, or ended that, in this turn. */
  readonly #switched = new Set<number>();
  readonly #reading = new Map<number, Reading>();
  #lastCall = 0;

  constructor(room: SharedRoom, link: ShardLink, budget: ReadBudget, deps: RemotePartitionReadsDeps) {
    this.link = link;
    this.#deps = deps;
    this.#budget = budget;
    this.#frames = new FrameQueue(room);
    room.door.receive(FRAME_PARTITION_SLICE, this);
    room.door.receive(FRAME_PARTITION_OFFSETS, this);
  }

  get listeningCount(): number {
    return this.#listening.size;
  }

  listen(partition: ToldPartition, isOn: boolean): void {
    if (isOn) this.#listening.set(partition.id, partition);
    else this.#listening.delete(partition.id);
    this.#switched.add(partition.id);
    this.#deps.shard.turn.pumpLater(this);
  }

  /** From the turn. */
  pump(): void {
    if (this.#switched.size === 0) return;
    const ids = [...this.#switched];
    this.#switched.clear();
    const on = ids.filter((id) => this.#listening.has(id));
    const off = ids.filter((id) => !this.#listening.has(id));
    this.link.tell({ op: 'partitions.listen', on, off, metadata: this.#deps.metadata.number });
  }

  read(partition: ToldPartition, from: number, bytesMax: number): Promise<PartitionSlice> {
    const askedBytes = this.#budget.take(Math.min(bytesMax, SLICE_BYTES));
    return new Promise((resolve, reject) => {
      const call = this.#nextCall();
      this.#reading.set(call, { partition, askedBytes, resolve, reject });
      const { head } = this.#frames;
      head.setUint32(0, call, true);
      head.setUint32(4, partition.id, true);
      head.setFloat64(8, from, true);
      head.setFloat64(16, askedBytes, true);
      this.#frames.send(FRAME_PARTITION_READ, READ_BYTES);
      this.#deps.shard.turn.schedule();
    });
  }

  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    if (kind === FRAME_PARTITION_SLICE) this.#came(buffer, start, end);
    else {
      for (let at = start; at < end; at += OFFSETS_BYTES)
        this.#listening.get(buffer.readUInt32LE(at))?.told(readOffsets(buffer, at));
    }
    return true;
  }

  #came(buffer: Buffer, start: number, end: number): void {
    const call = buffer.readUInt32LE(start);
    const reading = this.#reading.get(call);
    if (reading === undefined) return;
    this.#reading.delete(call);
    const { partition, askedBytes, resolve, reject } = reading;
    this.#budget.release(askedBytes);
    const outcome = buffer.readUInt32LE(start + 4);
    if (outcome !== OUTCOME_READ) {
      partition.told(outcome === OUTCOME_CORRUPT ? CORRUPT : null);
      reject(new BrokerError('internal-error', 'a partition of another shard cannot be read'));
      return;
    }
    const count = buffer.readUInt32LE(start + 16);
    const bytesAt = start + SLICE_HEAD_BYTES + count * ABORTED_BYTES;
    const bytes = Buffer.allocUnsafe(end - bytesAt);
    buffer.copy(bytes, 0, bytesAt, end);
    this.#budget.hold(bytes.length);
    const aborted = decodeAborted(buffer, start + SLICE_HEAD_BYTES, count);
    resolve({ bytes, nextOffset: buffer.readDoubleLE(start + 8), aborted });
  }

  #nextCall(): number {
    do this.#lastCall = (this.#lastCall + 1) >>> 0;
    while (this.#reading.has(this.#lastCall));
    return this.#lastCall;
  }
}

/** Bytes that all readers of other shards' partitions have asked for, or have and do not let go. */
class ReadBudget {
  bytes = 0;

  /** How much of this may be asked for: something always. */
  take(wanted: number): number {
    const taken = Math.max(1, Math.min(wanted, ALL_BYTES - this.bytes));
    this.bytes += taken;
    return taken;
  }

  hold(bytes: number): void {
    this.bytes += bytes;
  }

  release(bytes: number): void {
    this.bytes -= bytes;
  }
}

/** What changes nothing but that it cannot be read. */
const CORRUPT: PartitionOffsets = {
  startOffset: 0,
  highWatermark: 0,
  lastStableOffset: 0,
  endOffset: 0,
  recoveredEnd: -1,
  isCorrupt: true,
};

export interface RemotePartitionReadsDeps {
  readonly shard: Shard;
  readonly metadata: KnownMetadata;
}

/** Partitions of all other shards, for those who read them here. */
export class RemotePartitionReads implements PartitionReads {
  readonly #metadata: KnownMetadata;
  readonly #budget = new ReadBudget();
  /** By the number of the shard. */
  readonly #homes: readonly (Home | undefined)[];

  constructor({ rooms, links }: ShardSeat, deps: RemotePartitionReadsDeps) {
    this.#metadata = deps.metadata;
    this.#homes = rooms.map((room, peer) => {
      const link = links[peer];
      return room === undefined || link === undefined ? undefined : new Home(room, link, this.#budget, deps);
    });
  }

  /** Asked for, or in memory here. */
  get bytes(): number {
    return this.#budget.bytes;
  }

  get listeningCount(): number {
    return this.#homes.reduce((sum, home) => sum + (home?.listeningCount ?? 0), 0);
  }

  listen(partition: ToldPartition, isOn: boolean): void {
    this.#home(partition).listen(partition, isOn);
  }

  read(partition: ToldPartition, from: number, bytesMax: number): Promise<PartitionSlice> {
    return this.#home(partition).read(partition, from, bytesMax);
  }

  release(bytes: number): void {
    this.#budget.release(bytes);
  }

  async offsetAtTime(partition: ToldPartition, timeMs: number): Promise<number> {
    const { id } = partition;
    const question = { op: 'partition.offset-at-time', id, timeMs, metadata: this.#metadata.number };
    return (await this.#home(partition).link.ask(question)) as number;
  }

  async ask(partitions: readonly ToldPartition[]): Promise<void> {
    const figures = await this.figures(partitions);
    for (const partition of partitions) partition.told(figures.get(partition.id) ?? null);
  }

  /** By the ids of their logs, without those that are gone: one question for each shard. */
  async figures(partitions: Iterable<ToldPartition>): Promise<FiguresById> {
    const asked = new Map<Home, number[]>();
    for (const partition of partitions) {
      const home = this.#home(partition);
      const ids = asked.get(home);
      if (ids === undefined) asked.set(home, [partition.id]);
      else ids.push(partition.id);
    }
    const found = new Map<number, PartitionFigures>();
    const ask = async ([{ link }, ids]: [Home, number[]]): Promise<void> => {
      const question = { op: 'partitions.figures', ids, metadata: this.#metadata.number };
      const figures = (await link.ask(question)) as readonly (PartitionFigures | null)[];
      for (const [at, id] of ids.entries()) {
        const each = figures[at];
        if (each !== null) found.set(id, each);
      }
    };
    await Promise.all([...asked].map(ask));
    return found;
  }

  #home({ id, shard }: ToldPartition): Home {
    const home = this.#homes[shard];
    if (home === undefined)
      throw new Error(`log ${id} of a partition is in shard ${shard}, which is not there`);
    return home;
  }
}
