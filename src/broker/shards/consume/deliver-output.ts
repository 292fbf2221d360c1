import type { MessageMemory } from '../../../log/memory/chunks.ts';
import { copyBytes } from '../../../records/record-content.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { DELIVER_HEAD_BYTES, type DeliverHead, memoryOf, messageBytes } from './deliver-frame.ts';

/** Somebody whose message found no room. */
export interface WaitsForRoom {
  /** Whether it is told already when there is room. */
  isWaiting: boolean;
  thereIsRoom(): void;
}

interface Control {
  readonly kind: number;
  readonly payload: Buffer;
}

/** What the shard of queues writes to one other shard: messages while there is room, and what is said of consumers in any case. */
export class DeliverOutput {
  readonly #room: SharedRoom;
  readonly #memory: MessageMemory;
  /** At most one or two for each consumer and basic.get. */
  #controls: Control[] = [];
  #waiting: WaitsForRoom[] = [];
  #isWaiting = false;
  readonly #resume = (): void => this.#thereIsRoom();

  constructor(room: SharedRoom) {
    this.#room = room;
    this.#memory = memoryOf(room.door.buffer);
  }

  /** A message whose frame is at byte `at` of the memory, by one copy. False if there is no room: see `whenRoom`. */
  message(kind: number, head: DeliverHead, memory: MessageMemory, at: number): boolean {
    const { door } = this.#room;
    const frame = messageBytes(memory, at);
    const bytes = DELIVER_HEAD_BYTES + frame;
    if (bytes > door.frameBytesMax) return this.#large(kind, head, memory, at, frame);
    const start = this.#room.reserve(bytes);
    if (start === -1) return false;
    head.write(this.#memory, start);
    copyBytes(door.buffer, start + DELIVER_HEAD_BYTES, memory.buffer, at, at + frame);
    door.finish(kind, bytes);
    return true;
  }

  /** It goes in parts while the memory of the message may be used again: that is copied. */
  #large(kind: number, head: DeliverHead, memory: MessageMemory, at: number, frame: number): boolean {
    // Otherwise it would be copied in vain: there is one at a time.
    if (this.#room.reserve(DELIVER_HEAD_BYTES) === -1) return false;
    const copy = memoryOf(Buffer.allocUnsafeSlow(DELIVER_HEAD_BYTES + frame));
    head.write(copy, 0);
    memory.buffer.copy(copy.buffer, DELIVER_HEAD_BYTES, at, at + frame);
    return this.#room.writeLarge(kind, [copy.buffer]);
  }

  /** Goes as soon as there is room. */
  control(kind: number, payload: Buffer): void {
    if (this.#controls.length === 0 && this.#write(kind, payload)) return;
    this.#controls.push({ kind, payload });
    this.#wait();
  }

  /** Told once, and after that asked again. */
  whenRoom(who: WaitsForRoom): void {
    if (who.isWaiting) return;
    who.isWaiting = true;
    this.#waiting.push(who);
    this.#wait();
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#room.whenRoom(this.#resume);
  }

  #thereIsRoom(): void {
    this.#isWaiting = false;
    let count = 0;
    while (
      count < this.#controls.length &&
      this.#write(this.#controls[count].kind, this.#controls[count].payload)
    )
      count++;
    this.#controls.splice(0, count);
    if (this.#controls.length > 0) {
      this.#wait();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const who of waiting) {
      who.isWaiting = false;
      who.thereIsRoom();
    }
  }

  #write(kind: number, payload: Buffer): boolean {
    const start = this.#room.reserve(payload.length);
    if (start === -1) return false;
    const { door } = this.#room;
    payload.copy(door.buffer, start);
    door.finish(kind, payload.length);
    return true;
  }
}
