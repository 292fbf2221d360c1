import { FRAME_REPLY } from '../../doors/frame-kinds.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';

/**
 * An answer to a requester of another shard:
 *
 *     0  u32  bytes of the content
 *     4  u16  bytes of the virtual host's name
 *     6  u16  bytes of the address
 *     8  ...  the name, the address, the content
 */
const HEAD_BYTES = 8;

/** Answers that wait for room have at most so many bytes: more are unroutable, as those for a client that does not read. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/** Answers to requesters of one other shard. */
export class ReplyOutput {
  readonly #room: SharedRoom;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  readonly #resume = (): void => this.#thereIsRoom();

  constructor(room: SharedRoom) {
    this.#room = room;
  }

  get isReady(): boolean {
    return this.#waitingBytes < WAITING_BYTES_MAX;
  }

  /** Copies the content, which begins at 0. */
  send(vhost: string, address: string, content: Buffer, contentBytes: number): void {
    const vhostBytes = Buffer.byteLength(vhost);
    const addressBytes = Buffer.byteLength(address);
    const bytes = HEAD_BYTES + vhostBytes + addressBytes + contentBytes;
    const { door } = this.#room;
    const start = this.#waiting.length > 0 || bytes > door.frameBytesMax ? -1 : this.#room.reserve(bytes);
    const target = start === -1 ? Buffer.allocUnsafeSlow(bytes) : door.buffer;
    const at = Math.max(0, start);
    target.writeUInt32LE(contentBytes, at);
    target.writeUInt16LE(vhostBytes, at + 4);
    target.writeUInt16LE(addressBytes, at + 6);
    target.write(vhost, at + HEAD_BYTES);
    target.write(address, at + HEAD_BYTES + vhostBytes);
    content.copy(target, at + HEAD_BYTES + vhostBytes + addressBytes, 0, contentBytes);
    if (start !== -1) door.finish(FRAME_REPLY, bytes);
    else if (this.#waiting.length > 0 || !this.#write(target)) this.#wait(target);
  }

  #wait(frame: Buffer): void {
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    if (this.#waiting.length === 1) this.#room.whenRoom(this.#resume);
  }

  #thereIsRoom(): void {
    let count = 0;
    for (const frame of this.#waiting) {
      if (!this.#write(frame)) break;
      this.#waitingBytes -= frame.length;
      count++;
    }
    this.#waiting.splice(0, count);
    if (this.#waiting.length > 0) this.#room.whenRoom(this.#resume);
  }

  #write(frame: Buffer): boolean {
    const room = this.#room;
    if (frame.length > room.door.frameBytesMax) return room.writeLarge(FRAME_REPLY, [frame]);
    const start = room.reserve(frame.length);
    if (start === -1) return false;
    frame.copy(room.door.buffer, start);
    room.door.finish(FRAME_REPLY, frame.length);
    return true;
  }
}

export interface ReceivedReply {
  readonly vhost: string;
  readonly address: string;
  /** Shared memory, which is used again. */
  readonly content: Buffer;
}

export function readReply(buffer: Buffer, start: number): ReceivedReply {
  const contentBytes = buffer.readUInt32LE(start);
  const vhostEnd = start + HEAD_BYTES + buffer.readUInt16LE(start + 4);
  const addressEnd = vhostEnd + buffer.readUInt16LE(start + 6);
  return {
    vhost: buffer.toString('utf8', start + HEAD_BYTES, vhostEnd),
    address: buffer.toString('utf8', vhostEnd, addressEnd),
    content: buffer.subarray(addressEnd, addressEnd + contentBytes),
  };
}
