import { type Chunk, FRAME_HEADER_BYTES } from '../../log/memory/chunks.ts';
import { ContentView } from '../../records/record-content.ts';

const view = new ContentView();

/** When the messages of a queue expire: by the queue's limit, by their own, or by the shorter of both. */
export class Expiry {
  /** The queue's limit; Infinity for none. */
  ttlMs = Number.POSITIVE_INFINITY;
  /** Whether some of the messages may have a limit of their own. */
  messagesExpire = false;

  get isNeeded(): boolean {
    return this.messagesExpire || this.ttlMs !== Number.POSITIVE_INFINITY;
  }

  /** Milliseconds since the epoch; Infinity for a message that waits as long as it takes. */
  dueAt(chunk: Chunk, at: number): number {
    const publishedMs = chunk.f64[at >>> 3] as number;
    if (!this.messagesExpire) return publishedMs + this.ttlMs;
    const length = chunk.u32[(at >>> 2) + 2] as number;
    view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, length);
    return publishedMs + (view.ttlMs >= 0 && view.ttlMs < this.ttlMs ? view.ttlMs : this.ttlMs);
  }
}
