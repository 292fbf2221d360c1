import { type EntryVisitor, visitBlock } from './journal/entry-visitor.ts';
import { messageLogId, messageOffset } from './journal/format.ts';
import type { JournalTip } from './journal/journal-tip.ts';
import type { JournalImage, Run } from './journal/run.ts';
import type { Chunk } from './memory/chunks.ts';
import { frameContentBytes } from './memory/chunks.ts';
import type { StateMachine, StoreState } from './store-state.ts';

/**
 * Puts the entries of the journal into the logs and the state machine. Blocks below `covered` are part of a snapshot, and still hold
 * the messages that were in memory when it was taken: of those blocks only the messages count, and only those that the snapshot
 * does not have as acknowledged or as written to segments.
 */
export class Replay implements EntryVisitor, JournalTip {
  /** The last block that was applied; -1 if there was none. */
  readThrough = -1;
  readonly pendingBytes = 0;
  readonly #state: StoreState;
  readonly #machine: Pick<StateMachine, 'applyMetadata'>;
  readonly #covered: number;
  /** What the messages of the run are in. */
  #chunk: Chunk | null = null;

  constructor(state: StoreState, machine: Pick<StateMachine, 'applyMetadata'>, covered: number) {
    this.#state = state;
    this.#machine = machine;
    this.#covered = covered;
  }

  /** The memory of the run is that of the messages in it from now on. */
  apply(run: Run): void {
    const { chunks, generation } = this.#state;
    const chunk = chunks.adopt('journal', run.image.buffer);
    chunk.generation = ++generation.current;
    this.#chunk = chunk;
    for (const block of run.blocks) {
      visitBlock(run.image, block, this);
      this.readThrough = block.number;
    }
    this.#chunk = null;
    run.generation = chunk.generation;
    generation.current++;
    chunks.unpin(chunk);
  }

  /** As every run is applied at once, what there is now is what these blocks have made. */
  cut(): number {
    return Math.max(this.#covered, this.readThrough + 1);
  }

  /** What was read is safe already. */
  async flush(): Promise<void> {}

  message(image: JournalImage, entryAt: number, logCount: number, frameAt: number): void {
    const chunk = this.#chunk as Chunk;
    const contentBytes = frameContentBytes(chunk, frameAt);
    for (let i = 0; i < logCount; i++) {
      const log = this.#state.logs.get(messageLogId(image, entryAt, logCount, i));
      // Its queue is gone.
      if (log === undefined) continue;
      const offset = messageOffset(image, entryAt, i);
      if (offset < log.end || log.isAcknowledged(offset)) continue;
      chunk.live++;
      log.restore(offset, chunk.position(frameAt), contentBytes);
    }
  }

  acknowledged(logId: number, from: number, to: number, blockNumber: number): void {
    if (blockNumber < this.#covered) return;
    this.#state.logs.get(logId)?.replayAcknowledged(from, to);
    this.#state.streams.get(logId)?.replayStart(to);
  }

  batch(image: JournalImage, logId: number, at: number, bytes: number, blockNumber: number): void {
    const stream = this.#state.streams.get(logId);
    // Its topic is gone.
    if (stream === undefined) return;
    if (blockNumber >= this.#covered) stream.events.onReplayed(image.buffer, at, bytes);
    stream.restore((this.#chunk as Chunk).position(at));
  }

  metadata(bytes: Buffer, blockNumber: number): void {
    if (blockNumber >= this.#covered) this.#machine.applyMetadata(bytes);
  }
}
