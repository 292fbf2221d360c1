import {
  FRAME_OUTBOX_ANSWER,
  FRAME_OUTBOX_ASK,
  FRAME_OUTBOX_END,
  FRAME_OUTBOX_ENTRIES,
  FRAME_OUTBOX_HELLO,
} from './frame-kinds.ts';
import type { FrameReceiver } from './ring-reader.ts';
import type { SharedRoom } from './shared-room.ts';

/** Who takes the frames of outboxes; they are copied before the call ends. */
export interface OutboxFrameReceiver {
  outboxFrame(kind: number, buffer: Buffer, start: number, end: number): void;
}

/** Carries the frames of outboxes to one other shard, and back. Frames may be lost on the way, repeated, late, and in another order. */
export interface OutboxLink {
  /** The most bytes that are worth being put into one frame; a frame of one entry may have more. */
  readonly frameBytes: number;
  /** From now on. What came before is lost. */
  attach(receiver: OutboxFrameReceiver): void;
  /** Copies the first `bytes` of the buffer. False if there is no room now. */
  send(kind: number, buffer: Buffer, bytes: number): boolean;
  /** After a refusal: `listener` is called once, when there is room again. */
  whenRoom(listener: () => void): void;
}

const FRAME_BYTES = 64 * 1024;
const KINDS = [
  FRAME_OUTBOX_ENTRIES,
  FRAME_OUTBOX_ASK,
  FRAME_OUTBOX_ANSWER,
  FRAME_OUTBOX_HELLO,
  FRAME_OUTBOX_END,
] as const;

/** Through a door. It is there before there is a broker, as the others may send something at once. */
export class OutboxDoor implements OutboxLink, FrameReceiver {
  readonly frameBytes: number;
  readonly #room: SharedRoom;
  #receiver: OutboxFrameReceiver | null = null;

  constructor(room: SharedRoom) {
    this.#room = room;
    this.frameBytes = Math.min(FRAME_BYTES, room.door.frameBytesMax);
    for (const kind of KINDS) room.door.receive(kind, this);
  }

  attach(receiver: OutboxFrameReceiver): void {
    this.#receiver = receiver;
  }

  send(kind: number, buffer: Buffer, bytes: number): boolean {
    const { door } = this.#room;
    if (bytes > door.frameBytesMax) {
      return this.#room.writeLarge(kind, [Buffer.from(buffer.subarray(0, bytes))]);
    }
    const at = this.#room.reserve(bytes);
    if (at === -1) return false;
    buffer.copy(door.buffer, at, 0, bytes);
    door.finish(kind, bytes);
    return true;
  }

  whenRoom(listener: () => void): void {
    this.#room.whenRoom(listener);
  }

  /** Called by the door. */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    this.#receiver?.outboxFrame(kind, buffer, start, end);
    return true;
  }
}
