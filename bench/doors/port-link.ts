import type { MessagePort } from 'node:worker_threads';
import { RING_BYTES } from '../../src/broker/doors/ring.ts';
import type { Link, LinkEnds, Receive } from './link.ts';

const HEADER_BYTES = 8;
/** How large a buffer is: as the last turns needed, within these bounds; a turn that has more takes a larger one besides. */
const TURN_BYTES_MIN = 1024;
const TURN_BYTES_MAX = 80 * 1024;
/** The reader tells the writer how much it has read after so many bytes. */
const ACKNOWLEDGED_BYTES = RING_BYTES / 16;

/** A message port: buffers are transferred, and what was read is acknowledged, so that the writer can be held up. */
export class PortLink implements Link {
  readonly #port: MessagePort;
  readonly #isBatched: boolean;
  readonly #receive: Receive;
  #buffer: Buffer | null = null;
  #used = 0;
  #turnBytes = TURN_BYTES_MAX;
  #onTheWay = 0;
  #unacknowledged = 0;
  #listener: (() => void) | null = null;

  constructor({ name, port }: LinkEnds, receive: Receive) {
    this.#port = port;
    this.#isBatched = name === 'port, a buffer for each turn';
    this.#receive = receive;
    port.on('message', (message: ArrayBuffer | number) => this.#came(message));
  }

  write(payload: Buffer): boolean {
    const size = HEADER_BYTES + payload.length;
    if (this.#onTheWay + size > RING_BYTES) return false;
    if (this.#buffer !== null && this.#used + size > this.#buffer.length) {
      this.#send();
      this.#turnBytes = Math.min(TURN_BYTES_MAX, this.#turnBytes * 2);
    }
    this.#buffer ??= Buffer.allocUnsafeSlow(this.#isBatched ? Math.max(this.#turnBytes, size) : size);
    this.#buffer.writeUInt32LE(payload.length, this.#used);
    payload.copy(this.#buffer, this.#used + HEADER_BYTES);
    this.#used += size;
    this.#onTheWay += size;
    if (!this.#isBatched) this.#send();
    return true;
  }

  flush(): void {
    const needed = Math.max(TURN_BYTES_MIN, this.#used + (this.#used >>> 1), this.#turnBytes >>> 1);
    this.#send();
    this.#turnBytes = Math.min(TURN_BYTES_MAX, needed);
  }

  #send(): void {
    const buffer = this.#buffer;
    if (buffer === null) return;
    if (this.#used + HEADER_BYTES <= buffer.length) buffer.writeUInt32LE(0xffffffff, this.#used);
    this.#buffer = null;
    this.#used = 0;
    const memory = buffer.buffer as ArrayBuffer;
    this.#port.postMessage(memory, [memory]);
  }

  whenRoom(listener: () => void): void {
    this.flush();
    this.#listener = listener;
  }

  close(): void {
    this.#port.close();
  }

  #came(message: ArrayBuffer | number): void {
    if (typeof message === 'number') {
      this.#onTheWay -= message;
      const listener = this.#listener;
      this.#listener = null;
      listener?.();
      return;
    }
    const buffer = Buffer.from(message);
    let at = 0;
    while (at + HEADER_BYTES <= buffer.length) {
      const bytes = buffer.readUInt32LE(at);
      if (bytes === 0xffffffff) break;
      this.#receive(buffer, at + HEADER_BYTES, at + HEADER_BYTES + bytes);
      at += HEADER_BYTES + bytes;
    }
    this.#unacknowledged += at;
    if (this.#unacknowledged < ACKNOWLEDGED_BYTES) return;
    this.#port.postMessage(this.#unacknowledged);
    this.#unacknowledged = 0;
  }
}
