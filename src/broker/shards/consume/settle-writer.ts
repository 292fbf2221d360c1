import { FRAME_SETTLE } from '../../doors/frame-kinds.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { Pumped, Turn } from '../../shard/turn.ts';
import { ACK, ALLOW, CREDIT, ENTRY_BYTES, ENTRY_NUMBERS, KINDS_MAX } from './settle-frame.ts';

/** So many messages are settled by one entry at most: one step of the other shard. */
const RANGE_MAX = 1024;
const ENTRIES_PER_FRAME_MAX = 256;
const ENTRIES_MIN = 64;
/** An array that is larger is let go when it is empty. */
const IDLE_ENTRIES_MAX = 4096;

/** Whose deliveries are settled: a consumer of another shard, or what basic.get has from there. */
export interface Settled {
  readonly number: number;
  /** Its last entry, as long as the round is that of the writer. */
  lastEntry: number;
  lastRound: number;
}

/** Who gives room back for messages that it has handed on. */
export interface Credited extends Settled {
  creditMessages: number;
  creditBytes: number;
  /** Whether that, or how much more it may be given, is to be said in this turn. */
  owesCredit: boolean;
  owesAllowance: boolean;
  /** The tag up to which it may be given messages now; null if what was said last is as good. */
  allowance(): number | null;
}

/**
 * Gathers what becomes of deliveries from one other shard, and writes it in the turn, before the door is flushed: ranges of tags in a
 * flat array, of which there are never more than deliveries that are not settled.
 */
export class SettleWriter implements Pumped {
  /** Of the turn. */
  pumpPending = false;
  readonly #room: SharedRoom;
  readonly #turn: Turn;
  readonly #numbers: Float64Array;
  #entries = new Float64Array(ENTRIES_MIN * ENTRY_NUMBERS);
  #count = 0;
  #round = 1;
  #credited: Credited[] = [];
  #allowing: Credited[] = [];
  #isWaiting = false;
  readonly #resume = (): void => {
    this.#isWaiting = false;
    this.flush();
  };

  constructor(room: SharedRoom, turn: Turn) {
    this.#room = room;
    this.#turn = turn;
    const { buffer } = room.door;
    this.#numbers = new Float64Array(buffer.buffer, buffer.byteOffset, buffer.length >>> 3);
  }

  /** Entries that are not written. */
  get pendingCount(): number {
    return this.#count;
  }

  /** One delivery. It becomes part of the entry before where that goes on: of any other only where their order is of no account. */
  settle(who: Settled, kind: number, tag: number): void {
    if (who.lastRound === this.#round && (kind === ACK || who.lastEntry === this.#count - 1)) {
      const at = who.lastEntry * ENTRY_NUMBERS;
      const entries = this.#entries;
      if (entries[at] === who.number * KINDS_MAX + kind) {
        const from = entries[at + 1];
        const to = entries[at + 2];
        const goesOn = tag === to + 1 ? to >= from : tag === to - 1 && to <= from;
        if (goesOn && Math.abs(tag - from) < RANGE_MAX) {
          entries[at + 2] = tag;
          return;
        }
      }
    }
    this.add(who, kind, tag, tag);
  }

  add(who: Settled, kind: number, from: number, to: number): void {
    if ((this.#count + 1) * ENTRY_NUMBERS > this.#entries.length) this.#grow();
    const at = this.#count * ENTRY_NUMBERS;
    const entries = this.#entries;
    entries[at] = who.number * KINDS_MAX + kind;
    entries[at + 1] = from;
    entries[at + 2] = to;
    who.lastRound = this.#round;
    who.lastEntry = this.#count++;
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  /** What it has handed on is said in this turn. */
  creditLater(who: Credited): void {
    if (who.owesCredit) return;
    who.owesCredit = true;
    this.#credited.push(who);
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  /** How much more it may be given is said in this turn. */
  allowLater(who: Credited): void {
    if (who.owesAllowance) return;
    who.owesAllowance = true;
    this.#allowing.push(who);
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  /** Called by the turn. */
  pump(): void {
    const allowing = this.#allowing;
    if (allowing.length > 0) {
      this.#allowing = [];
      for (const who of allowing) {
        who.owesAllowance = false;
        const allowance = who.allowance();
        if (allowance !== null) this.add(who, ALLOW, allowance, 0);
      }
    }
    const credited = this.#credited;
    if (credited.length > 0) {
      this.#credited = [];
      for (const who of credited) {
        who.owesCredit = false;
        this.add(who, CREDIT, who.creditMessages, who.creditBytes);
        who.creditMessages = 0;
        who.creditBytes = 0;
      }
    }
    this.flush();
  }

  /** What comes after in the door is to find it settled. */
  flush(): void {
    if (this.#count === 0 || this.#isWaiting) return;
    const { door } = this.#room;
    const framesMax = Math.min(ENTRIES_PER_FRAME_MAX, Math.floor(door.frameBytesMax / ENTRY_BYTES));
    const entries = this.#entries;
    let done = 0;
    while (done < this.#count) {
      const count = Math.min(this.#count - done, framesMax);
      const start = this.#room.reserve(count * ENTRY_BYTES);
      if (start === -1) break;
      const first = done * ENTRY_NUMBERS;
      for (let i = 0, to = start >>> 3; i < count * ENTRY_NUMBERS; i++)
        this.#numbers[to + i] = entries[first + i];
      door.finish(FRAME_SETTLE, count * ENTRY_BYTES);
      done += count;
    }
    entries.copyWithin(0, done * ENTRY_NUMBERS, this.#count * ENTRY_NUMBERS);
    this.#count -= done;
    if (done > 0) this.#round++;
    if (this.#count > 0) this.#wait();
    else if (entries.length > IDLE_ENTRIES_MAX * ENTRY_NUMBERS)
      this.#entries = new Float64Array(ENTRIES_MIN * ENTRY_NUMBERS);
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#room.whenRoom(this.#resume);
  }

  #grow(): void {
    const entries = new Float64Array(this.#entries.length * 2);
    entries.set(this.#entries);
    this.#entries = entries;
  }
}
