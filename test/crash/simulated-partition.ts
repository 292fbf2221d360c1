import { blockEpoch, blockLength, blockNumber } from '../../src/log/journal/format.ts';
import type { SealedBlock } from '../../src/log/journal/journal.ts';
import type { JournalDevice } from '../../src/log/journal/journal-device.ts';
import type { JournalHost, LedJournal, ReadJournal } from '../../src/log/journal/journal-host.ts';
import type { OldestPart, Position } from '../../src/log/journal/position.ts';
import type { Block, JournalImage, Run } from '../../src/log/journal/run.ts';
import type { SimulatedTime } from './simulated-time.ts';

const DEVICE = 'partition';

interface PartitionPosition extends Position {
  readonly offset: number;
}

function positionAt(offset: number): PartitionPosition {
  return { device: DEVICE, offset };
}

/** One partition of a replicated log that loses nothing: what was appended at once has one offset. */
export class SimulatedPartition {
  readonly batches: Buffer[] = [];
  /** What any other appends is ignored. */
  leader: Replica | null = null;
  readonly time: SimulatedTime;
  #waiting: (() => void)[] = [];
  #appends: (() => void)[] = [];

  constructor(time: SimulatedTime) {
    this.time = time;
  }

  /** Ends in order, after a while. */
  append(leader: Replica, bytes: Buffer): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#appends.push(() => {
      // A process that is gone hears of nothing.
      if (this.leader !== leader) return;
      this.batches.push(bytes);
      resolve(this.batches.length - 1);
      this.wake();
    });
    this.time.operation(() => this.#appends.shift()?.());
    return promise;
  }

  arrival(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A process's way to the partition: it follows until it is told to take over. */
export class Replica implements JournalHost {
  readonly partition: SimulatedPartition;
  /** The process was ended. */
  isGone = false;
  #takesOver = false;

  constructor(partition: SimulatedPartition) {
    this.partition = partition;
  }

  takeOver(): void {
    this.partition.leader = this;
    this.#takesOver = true;
    this.partition.wake();
  }

  open(from: Position | null, requiredBlock: number): ReadJournal {
    const first = from === null ? 0 : (from as PartitionPosition).offset;
    const device = new PartitionDevice(this, first);
    return {
      followed: device,
      runs: () => this.#runs(device, first),
      lead: () => this.#lead(device, requiredBlock),
    };
  }

  async *#runs(device: PartitionDevice, first: number): AsyncGenerator<Run, void> {
    const { partition } = this;
    for (let offset = first; ; ) {
      if (offset < partition.batches.length && !this.isGone) {
        const run = runOf(partition.batches[offset], offset);
        device.read(offset, run);
        yield run;
        offset++;
      } else if (this.#takesOver) return;
      else await partition.arrival();
    }
  }

  #lead(device: PartitionDevice, requiredBlock: number): LedJournal {
    const last = this.partition.batches.at(-1);
    const block = last === undefined ? null : runOf(last, 0).blocks.at(-1);
    device.syncedBlock = block?.number ?? 0;
    return {
      device,
      nextBlock: Math.max(requiredBlock, device.syncedBlock + 1),
      epoch: (block?.epoch ?? 0) + 1,
      isNew: last === undefined,
      warnings: [],
    };
  }
}

interface Part {
  readonly offset: number;
  readonly bytes: number;
  /** Has the generation of its messages. */
  readonly from: { readonly generation: number };
}

class PartitionDevice implements JournalDevice {
  readonly inFlightMax = 2;
  syncedBlock = 0;
  lengthBytes = 0;
  writtenBytes = 0;
  readonly #replica: Replica;
  readonly #parts: Part[] = [];
  #next: number;

  constructor(replica: Replica, next: number) {
    this.#replica = replica;
    this.#next = next;
  }

  /** As a follower. */
  read(offset: number, run: Run): void {
    this.#add({ offset, bytes: run.image.buffer.length, from: run });
  }

  async append(blocks: readonly SealedBlock[]): Promise<void> {
    const copies = blocks.map(({ chunk, start, end }) => chunk.buffer.subarray(start, end));
    const generation = Math.max(...blocks.map(({ chunk }) => chunk.generation));
    const bytes = Buffer.concat(copies);
    const offset = await this.#replica.partition.append(this.#replica, bytes);
    this.#add({ offset, bytes: bytes.length, from: { generation } });
    this.writtenBytes += bytes.length;
    this.syncedBlock = blocks[blocks.length - 1].number;
  }

  async sync(): Promise<void> {}

  position(from: Position | null): Position {
    return from ?? positionAt(this.#parts[0]?.offset ?? this.#next);
  }

  isLongerThan(lengthBytes: number): boolean {
    return this.lengthBytes > lengthBytes;
  }

  async oldestBeyond(lengthBytes: number): Promise<OldestPart | null> {
    let rest = this.lengthBytes;
    let oldest: OldestPart | null = null;
    for (const { offset, bytes, from } of this.#parts) {
      if (rest <= lengthBytes * 0.8) break;
      rest -= bytes;
      const generation = Math.max(oldest?.generation ?? 0, from.generation);
      oldest = { generation, next: positionAt(offset + 1) };
    }
    return oldest;
  }

  async release(before: Position): Promise<void> {
    const { offset } = before as PartitionPosition;
    while (this.#parts.length > 0 && this.#parts[0].offset < offset) {
      this.lengthBytes -= (this.#parts.shift() as Part).bytes;
    }
  }

  async dropReserves(): Promise<void> {}

  async close(): Promise<void> {}

  #add(part: Part): void {
    this.#parts.push(part);
    this.lengthBytes += part.bytes;
    this.#next = part.offset + 1;
  }
}

/** A copy of its own: the memory of a run goes to whoever reads it. */
function runOf(batch: Buffer, offset: number): Run {
  const buffer = Buffer.allocUnsafeSlow(batch.length);
  batch.copy(buffer);
  const image: JournalImage = {
    buffer,
    u32: new Uint32Array(buffer.buffer, 0, buffer.length >>> 2),
    f64: new Float64Array(buffer.buffer, 0, buffer.length >>> 3),
    path: `${DEVICE} ${offset}`,
  };
  const blocks: Block[] = [];
  for (let at = 0; at < buffer.length; at += blockLength(image, at)) {
    const [length, number, epoch] = [blockLength(image, at), blockNumber(image, at), blockEpoch(image, at)];
    blocks.push({ at, length, number, epoch });
  }
  return { image, blocks, generation: 0 };
}
