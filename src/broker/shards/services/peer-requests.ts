import {
  FRAME_SERVICE_ANSWER,
  FRAME_SERVICE_CANCEL,
  FRAME_SERVICE_FAILURE,
  FRAME_SERVICE_REQUEST,
} from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { FrameQueue } from '../streams/frame-queue.ts';
import { type AskedService, type Service, ServiceError, type ServiceRequest } from './service-request.ts';

/** Requests that one shard may have open at another one. */
const REQUESTS_MAX = 65_536;
const NUMBER_BYTES = 4;
const NAME_AT = 5;
const NAME_BYTES_MAX = 32;
const NOTHING = Buffer.alloc(0);

interface Waiting {
  resolve(answer: Buffer): void;
  reject(error: Error): void;
}

/**
 * Requests between the servers of this shard and those of another one, in both directions. Requests arrive in order; answers
 * come when they come. All numbers are little-endian:
 *
 *     request          | number, u32 | length of name, u8 | name of the service | bytes …
 *     answer           | number, u32 | bytes …
 *     failure          | number, u32 | reason, UTF-8 …
 *     cancel           | number, u32 |
 */
export class PeerRequests implements FrameReceiver {
  readonly #peer: number;
  readonly #frames: FrameQueue;
  readonly #find: (name: string) => Service | undefined;
  /** What this shard has asked, and what it is asked. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #open = new Map<number, OpenRequest>();
  #lastNumber = 0;

  constructor(peer: number, room: SharedRoom, find: (name: string) => Service | undefined) {
    this.#peer = peer;
    this.#frames = new FrameQueue(room);
    this.#find = find;
    for (const kind of [
      FRAME_SERVICE_REQUEST,
      FRAME_SERVICE_ANSWER,
      FRAME_SERVICE_FAILURE,
      FRAME_SERVICE_CANCEL,
    ]) {
      room.door.receive(kind, this);
    }
  }

  /** Requests without an answer: of this shard, and of the other one. */
  get counts(): { readonly asked: number; readonly open: number } {
    return { asked: this.#waiting.size, open: this.#open.size };
  }

  /** The pieces stay as they are. */
  ask(service: string, pieces: readonly Buffer[]): AskedService {
    if (this.#waiting.size >= REQUESTS_MAX) {
      const error = new ServiceError(
        `${REQUESTS_MAX} requests wait for shard ${this.#peer}: try again later`,
      );
      return { answer: Promise.reject(error), cancel: () => undefined };
    }
    const number = this.#newNumber();
    const { promise: answer, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.set(number, { resolve, reject });
    const { head } = this.#frames;
    head.setUint32(0, number, true);
    this.#frames.sendPieces(FRAME_SERVICE_REQUEST, this.#writeName(service), pieces, () => undefined);
    return { answer, cancel: () => this.#cancel(number) };
  }

  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    const number = buffer.readUInt32LE(start);
    const at = start + NUMBER_BYTES;
    switch (kind) {
      case FRAME_SERVICE_REQUEST:
        this.#asked(number, buffer, at, end);
        break;
      case FRAME_SERVICE_CANCEL:
        this.#open.get(number)?.cancel();
        break;
      case FRAME_SERVICE_ANSWER:
        this.#taken(number)?.resolve(ownBytes(buffer, at, end));
        break;
      default:
        this.#taken(number)?.reject(new ServiceError(buffer.toString('utf8', at, end)));
    }
    return true;
  }

  #newNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#waiting.has(this.#lastNumber));
    return this.#lastNumber;
  }

  /** Returns the bytes of the head. */
  #writeName(service: string): number {
    const { head } = this.#frames;
    if (service.length > NAME_BYTES_MAX) throw new RangeError(`'${service}' is too long for a service`);
    head.setUint8(NUMBER_BYTES, service.length);
    for (let i = 0; i < service.length; i++) head.setUint8(NAME_AT + i, service.charCodeAt(i));
    return NAME_AT + service.length;
  }

  #cancel(number: number): void {
    const waiting = this.#taken(number);
    if (waiting === undefined) return;
    waiting.reject(new ServiceError('nobody waits for it any more'));
    this.#frames.head.setUint32(0, number, true);
    this.#frames.send(FRAME_SERVICE_CANCEL, NUMBER_BYTES);
  }

  /** Undefined if it was cancelled. */
  #taken(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }

  #asked(number: number, buffer: Buffer, at: number, end: number): void {
    const bytesAt = at + 1 + buffer[at];
    const name = buffer.toString('latin1', at + 1, bytesAt);
    const request = new OpenRequest(this.#peer, ownBytes(buffer, bytesAt, end), (kind, pieces, onSent) => {
      this.#open.delete(number);
      if (kind === null) return;
      this.#frames.head.setUint32(0, number, true);
      this.#frames.sendPieces(kind, NUMBER_BYTES, pieces, onSent);
    });
    this.#open.set(number, request);
    const service = this.#find(name);
    if (service === undefined) request.fail(`nobody serves '${name}' there`);
    else service(request);
  }
}

/** Null: nothing is sent. */
type End = (kind: number | null, pieces: readonly Buffer[], onSent: () => void) => void;

class OpenRequest implements ServiceRequest {
  readonly from: number;
  readonly bytes: Buffer;
  isCancelled = false;
  #end: End | null;
  #onCancel: (() => void) | null = null;

  constructor(from: number, bytes: Buffer, end: End) {
    this.from = from;
    this.bytes = bytes;
    this.#end = end;
  }

  onCancel(listener: () => void): void {
    this.#onCancel = listener;
  }

  cancel(): void {
    this.isCancelled = true;
    this.#finish(null, [], ignore);
    this.#onCancel?.();
  }

  answer(pieces: readonly Buffer[], onSent: () => void = ignore): void {
    if (this.#end === null) onSent();
    else this.#finish(FRAME_SERVICE_ANSWER, pieces.length === 0 ? [NOTHING] : pieces, onSent);
  }

  fail(reason: string): void {
    this.#finish(FRAME_SERVICE_FAILURE, [Buffer.from(reason, 'utf8')], ignore);
  }

  #finish(kind: number | null, pieces: readonly Buffer[], onSent: () => void): void {
    const end = this.#end;
    this.#end = null;
    end?.(kind, pieces, onSent);
  }
}

/** Of a large frame the buffer is the receiver's, from 0 on. */
function ownBytes(buffer: Buffer, start: number, end: number): Buffer {
  if (buffer.buffer instanceof SharedArrayBuffer) {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    buffer.copy(bytes, 0, start, end);
    return bytes;
  }
  return buffer.subarray(start, end);
}

function ignore(): void {}
