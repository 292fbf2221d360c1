import type { StreamLog } from './stream-log.ts';

interface Expected {
  readonly block: number;
  /** The end offsets of the streams that have batches in it. */
  readonly ends: Map<StreamLog, number>;
}

/** Which streams have batches in which block of the journal: when it is durable their high watermarks move. */
export class HighWatermarks {
  /** Whether a stream waits for a block. A field, as each commit asks. */
  isBehind = false;
  /** The last block in which a stream has a batch. */
  lastBlock = 0;
  readonly #expected: Expected[] = [];

  /** The stream's last batch is in this block. Blocks come in order. */
  expect(block: number, stream: StreamLog): void {
    this.isBehind = true;
    this.lastBlock = block;
    const last = this.#expected.at(-1);
    if (last !== undefined && last.block === block) last.ends.set(stream, stream.end);
    else this.#expected.push({ block, ends: new Map([[stream, stream.end]]) });
  }

  /** Everything up to this block is durable. */
  advance(block: number): void {
    const expected = this.#expected;
    let count = 0;
    while (count < expected.length && expected[count].block <= block) count++;
    if (count === 0) return;
    const advanced = new Set<StreamLog>();
    for (const { ends } of expected.splice(0, count)) {
      for (const [stream, end] of ends) {
        stream.highWatermark = end;
        advanced.add(stream);
      }
    }
    this.isBehind = expected.length > 0;
    for (const stream of advanced) if (!stream.removed) stream.events.onAdvanced();
  }
}
