import type { Json } from '../../base/value-json.ts';
import { BrokerError, type BrokerErrorKind } from '../errors.ts';
import { FRAME_ANSWER, FRAME_ASK, FRAME_TELL } from './frame-kinds.ts';
import type { FrameReceiver } from './ring-reader.ts';
import type { ShardLink, ShardNote, ShardService } from './shard-link.ts';
import type { SharedRoom } from './shared-room.ts';

/** Questions that one shard may have open at another one. */
const ASKS_MAX = 65_536;
const NUMBER_BYTES = 4;

interface Asking {
  resolve(answer: Json): void;
  reject(error: Error): void;
}

/** What comes back: the answer, or what is wrong. */
interface Answer {
  readonly answer?: Json;
  readonly kind?: BrokerErrorKind;
  readonly error?: string;
}

interface Waiting {
  readonly kind: number;
  readonly number: number;
  readonly text: Buffer;
}

/**
 * Notes between this shard and another one, beside the messages: few, and each of them JSON. A frame is the number of the question (u32,
 * 0 where there is none) and the text.
 */
export class NoteLink implements ShardLink, FrameReceiver {
  readonly peer: number;
  readonly #room: SharedRoom;
  readonly #asking = new Map<number, Asking>();
  #service: ShardService | null = null;
  /** What came before there was a service. */
  #early: { readonly kind: number; readonly number: number; readonly text: string }[] = [];
  #lastNumber = 0;
  #waiting: Waiting[] = [];
  readonly #write = (): void => this.#writeWaiting();

  constructor(peer: number, room: SharedRoom) {
    this.peer = peer;
    this.#room = room;
    for (const kind of [FRAME_ASK, FRAME_ANSWER, FRAME_TELL]) room.door.receive(kind, this);
  }

  ask(question: ShardNote): Promise<Json> {
    if (this.#asking.size >= ASKS_MAX) {
      return Promise.reject(
        new BrokerError(
          'resource-error',
          `${ASKS_MAX} questions wait for shard ${this.peer}: try again later`,
        ),
      );
    }
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#lastNumber === 0 || this.#asking.has(this.#lastNumber));
    const number = this.#lastNumber;
    return new Promise((resolve, reject) => {
      this.#asking.set(number, { resolve, reject });
      this.#send(FRAME_ASK, number, question);
    });
  }

  tell(note: ShardNote): void {
    this.#send(FRAME_TELL, 0, note);
  }

  serve(service: ShardService): void {
    this.#service = service;
    for (const { kind, number, text } of this.#early.splice(0)) this.#received(service, kind, number, text);
  }

  /** Called by the door. */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    const number = buffer.readUInt32LE(start);
    const text = buffer.toString('utf8', start + NUMBER_BYTES, end);
    if (kind === FRAME_ANSWER) this.#answered(number, JSON.parse(text) as Answer);
    else if (this.#service === null) this.#early.push({ kind, number, text });
    else this.#received(this.#service, kind, number, text);
    return true;
  }

  #received(service: ShardService, kind: number, number: number, text: string): void {
    const note = JSON.parse(text) as ShardNote;
    if (kind === FRAME_TELL) service.told(this.peer, note);
    else void this.#answer(service, number, note);
  }

  async #answer(service: ShardService, number: number, question: ShardNote): Promise<void> {
    let answer: Answer;
    try {
      answer = { answer: await service.answer(this.peer, question) };
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      answer = { kind: error.kind, error: error.message };
    }
    this.#send(FRAME_ANSWER, number, answer as Json);
  }

  #answered(number: number, { answer = null, kind, error = '' }: Answer): void {
    const asking = this.#asking.get(number);
    if (asking === undefined)
      throw new Error(`shard ${this.peer} answers question ${number}, which nobody asked`);
    this.#asking.delete(number);
    if (kind === undefined) asking.resolve(answer);
    else asking.reject(new BrokerError(kind, error));
  }

  #send(kind: number, number: number, note: Json): void {
    const text = Buffer.from(JSON.stringify(note), 'utf8');
    if (this.#waiting.length === 0 && this.#writeOne(kind, number, text)) return;
    this.#waiting.push({ kind, number, text });
    if (this.#waiting.length === 1) this.#room.whenRoom(this.#write);
  }

  #writeWaiting(): void {
    let count = 0;
    for (const { kind, number, text } of this.#waiting) {
      if (!this.#writeOne(kind, number, text)) break;
      count++;
    }
    this.#waiting.splice(0, count);
    if (this.#waiting.length > 0) this.#room.whenRoom(this.#write);
  }

  #writeOne(kind: number, number: number, text: Buffer): boolean {
    const { door } = this.#room;
    const bytes = NUMBER_BYTES + text.length;
    if (bytes > door.frameBytesMax) {
      const head = Buffer.alloc(NUMBER_BYTES);
      head.writeUInt32LE(number);
      return this.#room.writeLarge(kind, [head, text]);
    }
    const at = this.#room.reserve(bytes);
    if (at === -1) return false;
    door.view.setUint32(at, number, true);
    text.copy(door.buffer, at + NUMBER_BYTES);
    door.finish(kind, bytes);
    return true;
  }
}
