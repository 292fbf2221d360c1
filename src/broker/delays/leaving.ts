import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import type { AppendTargets } from '../publishing/atomic-append.ts';
import type { Move } from '../publishing/atomic-move.ts';
import type { OutboxPort } from '../shard/outbox-port.ts';
import type { Bucket } from './bucket.ts';
import { Sweep } from './sweep.ts';

/** Messages of one batch. */
const BATCH_MAX = 1024;

/** The delayed messages of a virtual host, on their way to another shard, where they go on waiting. */
export class Leaving {
  readonly #chunks: ChunkStore;
  readonly #outboxes: OutboxPort;
  readonly #targets: AppendTargets;

  constructor(vhost: string, shard: number, chunks: ChunkStore, outboxes: OutboxPort) {
    this.#chunks = chunks;
    this.#outboxes = outboxes;
    const remotes = [{ shard, queues: [], delayedIn: vhost }];
    this.#targets = { levels: [], queues: [], logs: [], durableLogs: [], streams: [], remotes };
  }

  /** What can go now, in one batch; the rest may have to be read first, or to wait for room: then `isFull`. */
  next(buckets: Iterable<Bucket>): { readonly batch: readonly Move[]; readonly isFull: boolean } {
    const batch: Move[] = [];
    let isFull = false;
    this.#outboxes.beginReserving();
    for (const bucket of buckets) {
      if (bucket.damage !== null || isFull || batch.length >= BATCH_MAX) continue;
      bucket.reader ??= new Sweep(bucket, this.#chunks);
      bucket.reader.take(Number.POSITIVE_INFINITY, BATCH_MAX - batch.length, (offset, chunk, at) => {
        const move = this.#moveOf(bucket, offset, chunk, at);
        isFull = !this.#outboxes.reserve(this.#targets.remotes, move.content.length);
        if (!isFull) batch.push(move);
        return !isFull;
      });
    }
    return { batch, isFull };
  }

  /** As it is, with the time when it was published: its delay counts from there. */
  #moveOf(source: Bucket, offset: number, chunk: Chunk, at: number): Move {
    const start = at + FRAME_HEADER_BYTES;
    return {
      source,
      offset,
      targets: this.#targets,
      content: Buffer.from(chunk.buffer.subarray(start, start + frameContentBytes(chunk, at))),
      persistent: true,
      timestampMs: frameTimestampMs(chunk, at),
    };
  }
}
