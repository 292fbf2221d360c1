import type { MessageView } from '../../records/message-view.ts';
import { FRAME_PUBLISH, FRAME_STORED } from '../doors/frame-kinds.ts';
import {
  aligned,
  FLAG_EXPIRES,
  FLAG_PERSISTENT,
  MESSAGE_FLAGS_AT,
  MESSAGE_HEAD_BYTES,
  MESSAGE_PRIORITY_AT,
  MESSAGE_QUEUES_AT,
  PUBLISH_HEAD_BYTES,
  QUEUE_ID_BYTES,
  SEQUENCE_BYTES,
} from '../doors/publish-frames.ts';
import type { FrameReceiver } from '../doors/ring-reader.ts';
import type { SharedRoom } from '../doors/shared-room.ts';
import type { RemoteRecipient } from '../shard/remote-publishing.ts';
import type { Shard } from '../shard/shard.ts';
import type { Pumped, Turn } from '../shard/turn.ts';
import type { Waits } from '../shard/waits.ts';
import type { KnownMetadata } from './known-metadata.ts';
import { SentMessages } from './sent-messages.ts';

/** What is gathered before it is sent, at most. */
const GATHERED_BYTES = 64 * 1024;
/** What may be on its way, and not safe there, before publishers wait; and when they go on. */
const UNSAFE_BYTES_HIGH = 8 * 1024 * 1024;
const UNSAFE_BYTES_LOW = 4 * 1024 * 1024;
/** The same, in messages: small ones cost more than their bytes. */
const UNSAFE_MESSAGES_HIGH = 65_536;
const UNSAFE_MESSAGES_LOW = 32_768;

/** Messages of this shard for the queues of one other shard, in the order in which they were published. */
export class PublishOut implements Pumped, FrameReceiver {
  pumpPending = false;
  readonly #room: SharedRoom;
  readonly #turn: Turn;
  readonly #waits: Waits;
  readonly #metadata: KnownMetadata;
  readonly #onRelief: () => void;
  readonly #sent = new SentMessages();
  #unsafeBytes = 0;
  #gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES);
  #view = viewOf(this.#gathered);
  /** With the head of the frame. */
  #gatheredBytes = PUBLISH_HEAD_BYTES;
  /** Frames that the ring had no room for, in order. */
  #waiting: Buffer[] = [];
  #isWaiting = false;
  readonly #onRoom = (): void => {
    this.#isWaiting = false;
    this.#sendWaiting();
  };

  /** `onRelief` is called when publishers that stopped may go on, as far as this is concerned. */
  constructor(room: SharedRoom, { turn, waits }: Shard, metadata: KnownMetadata, onRelief: () => void) {
    this.#metadata = metadata;
    this.#onRelief = onRelief;
    this.#room = room;
    this.#turn = turn;
    this.#waits = waits;
    room.door.receive(FRAME_STORED, this);
  }

  /** Whether so much is on its way that publishers should stop. */
  get isFull(): boolean {
    return this.#unsafeBytes >= UNSAFE_BYTES_HIGH || this.#sent.count >= UNSAFE_MESSAGES_HIGH;
  }

  /** Whether publishers that stopped may go on. */
  get isRelieved(): boolean {
    return this.#unsafeBytes <= UNSAFE_BYTES_LOW && this.#sent.count <= UNSAFE_MESSAGES_LOW;
  }

  /** Copies the message. `token`: answered when it is safe there; 0 for none. */
  add(
    queues: readonly RemoteRecipient[],
    messageView: MessageView,
    persistent: boolean,
    token: number,
  ): void {
    const contentBytes = messageView.contentBytes();
    const headBytes = MESSAGE_HEAD_BYTES + QUEUE_ID_BYTES * queues.length;
    const bytes = headBytes + contentBytes;
    const size = aligned(bytes);
    if (this.#gatheredBytes + size > GATHERED_BYTES) this.#sendGathered();
    const isLarge = PUBLISH_HEAD_BYTES + size > GATHERED_BYTES;
    if (isLarge) this.#open(PUBLISH_HEAD_BYTES + size);
    const at = this.#gatheredBytes;
    const view = this.#view;
    view.setUint32(at, bytes, true);
    view.setUint8(
      at + MESSAGE_FLAGS_AT,
      (persistent ? FLAG_PERSISTENT : 0) | (messageView.ttlMs >= 0 ? FLAG_EXPIRES : 0),
    );
    view.setUint8(at + MESSAGE_PRIORITY_AT, messageView.priority);
    view.setUint32(at + MESSAGE_QUEUES_AT, queues.length, true);
    for (let i = 0; i < queues.length; i++) {
      view.setUint32(at + MESSAGE_HEAD_BYTES + QUEUE_ID_BYTES * i, queues[i].id, true);
    }
    messageView.write(this.#gathered, at + headBytes);
    this.#gatheredBytes = at + size;
    this.#sent.add(token, size);
    this.#unsafeBytes += size;
    if (isLarge) this.#sendGathered();
    else if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  /** From the turn: what was published in it goes in one frame. */
  pump(): void {
    this.#sendGathered();
  }

  /** From the door: so far all is safe. */
  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    const upTo = buffer.readDoubleLE(start);
    let refusedAt = start + SEQUENCE_BYTES;
    const sent = this.#sent;
    while (sent.first <= upTo) {
      const isRefused = refusedAt < end && buffer.readDoubleLE(refusedAt) === sent.first;
      if (isRefused) refusedAt += SEQUENCE_BYTES;
      const slot = sent.remove();
      this.#unsafeBytes -= sent.bytesIn(slot);
      const token = sent.tokenIn(slot);
      if (token !== 0) this.#waits.answered(token, isRefused);
    }
    if (this.isRelieved) this.#onRelief();
    return true;
  }

  #open(bytes: number): void {
    this.#gathered = Buffer.allocUnsafeSlow(bytes);
    this.#view = viewOf(this.#gathered);
  }

  #sendGathered(): void {
    const frame = this.#gathered;
    const bytes = this.#gatheredBytes;
    if (bytes === PUBLISH_HEAD_BYTES) return;
    this.#view.setFloat64(0, this.#metadata.number, true);
    this.#gatheredBytes = PUBLISH_HEAD_BYTES;
    if (this.#waiting.length > 0 || !this.#send(frame, bytes)) {
      this.#waiting.push(frame.subarray(0, bytes));
      this.#waitForRoom();
    } else if (frame.length === GATHERED_BYTES && bytes <= this.#room.door.frameBytesMax) return;
    this.#open(GATHERED_BYTES);
  }

  #sendWaiting(): void {
    let count = 0;
    for (const frame of this.#waiting) {
      if (!this.#send(frame, frame.length)) break;
      count++;
    }
    this.#waiting.splice(0, count);
    if (this.#waiting.length > 0) this.#waitForRoom();
  }

  #waitForRoom(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#room.whenRoom(this.#onRoom);
  }

  #send(frame: Buffer, bytes: number): boolean {
    const room = this.#room;
    const { door } = room;
    // A frame that goes in parts is the caller's no more.
    if (bytes > door.frameBytesMax) return room.writeLarge(FRAME_PUBLISH, [frame.subarray(0, bytes)]);
    const at = room.reserve(bytes);
    if (at === -1) return false;
    frame.copy(door.buffer, at, 0, bytes);
    door.finish(FRAME_PUBLISH, bytes);
    return true;
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
