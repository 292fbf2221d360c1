import { BrokerError } from '../errors.ts';

/** The wait of a message that was refused at once. */
export const REFUSED = -1;
/** Tokens are this number and those below it: what is larger is a block, or `REFUSED`. */
const FIRST_TOKEN = -2;

/** The low bits of a token are its slot, those above them the generation of the slot: 52 bits together. */
const SLOT_BITS = 20;
const SLOTS = 2 ** SLOT_BITS;
const TOKENS_MAX = 1_000_000;
const FIRST_CAPACITY = 64;
const NONE = -1;

/** Told once when a wait is over. */
export interface SafeListener {
  /** All parts have answered: all are safe, or one at least was refused by its target. */
  onSafe(token: number, isRefused: boolean): void;
}

/** What waits use of the shard's journal. */
export interface DurableBlocks {
  isDurable(block: number): boolean;
  whenDurable(block: number, listener: { onDurable(): void }): void;
}

/**
 * Waits that need several answers. A wait is a number:
 *
 *     >= 0    a block of the shard's own journal that has to be durable; 0: nothing to wait for
 *     -1      REFUSED: nothing to wait for either, as nothing became of it
 *     <= -2   a token: so many parts have to answer, each of them a shard that got something of the message
 *
 * A token names a slot, which is used again; its generation keeps an answer that comes late from being taken for one to the
 * token that has the slot now:
 *
 *     -2 - token:   | generation, 32 bits | slot, 20 bits |
 *
 * A token that was taken is known until it is listened to and all parts have answered, or until it is forgotten. There is
 * no object for a token: at the limit, all of them take about 25 MB.
 */
export class Waits {
  /** Tokens that are known now, and the most that were known at once. */
  count = 0;
  countMax = 0;
  readonly #blocks: DurableBlocks;
  readonly #limit: number;
  #generations = new Uint32Array(FIRST_CAPACITY);
  /** Parts that have not answered. */
  #parts = new Int32Array(FIRST_CAPACITY);
  #isRefused = new Uint8Array(FIRST_CAPACITY);
  /** Of a free slot, the next free one. */
  #nextFree = new Int32Array(FIRST_CAPACITY);
  readonly #listeners: (SafeListener | null)[] = [];
  #firstFree = NONE;
  /** Parts of the shard's own journal, for each block that is not durable: as many as writes are in flight. */
  readonly #ownParts: OwnParts[] = [];

  /** At most `limit` tokens at once, which is 2^20 at most. */
  constructor(blocks: DurableBlocks, limit = TOKENS_MAX) {
    if (limit > SLOTS) throw new RangeError(`a limit of ${limit} tokens: there are ${SLOTS} slots`);
    this.#blocks = blocks;
    this.#limit = limit;
  }

  /**
   * A token that waits for so many answers, at least 1.
   * @throws BrokerError resource-short, if as many wait as may: nothing may have become of the message yet
   */
  take(parts: number): number {
    if (!(parts >= 1)) throw new RangeError(`a token for ${parts} answers: there must be one at least`);
    if (this.count >= this.#limit) {
      throw new BrokerError(
        'resource-short',
        `${this.count} messages wait for the answers of other shards, which is the limit: publish it again later`,
      );
    }
    const slot = this.#takeSlot();
    this.#parts[slot] = parts;
    this.#isRefused[slot] = 0;
    this.count++;
    if (this.count > this.countMax) this.countMax = this.count;
    return FIRST_TOKEN - (this.#generations[slot] * SLOTS + slot);
  }

  /** One part is safe, or its target refused it. Nothing happens if the token was forgotten. */
  answered(token: number, isRefused: boolean): void {
    const slot = this.#slotOf(token);
    if (slot === NONE) return;
    if (this.#parts[slot] === 0) throw new Error(`token ${token} has more answers than parts`);
    if (isRefused) this.#isRefused[slot] = 1;
    if (--this.#parts[slot] > 0) return;
    const listener = this.#listeners[slot];
    if (listener !== null) this.#tell(token, slot, listener);
  }

  /** One part is in the shard's own journal: it answers when this block is durable. */
  answeredWhenDurable(token: number, block: number): void {
    if (this.#blocks.isDurable(block)) {
      this.answered(token, false);
      return;
    }
    const open = this.#ownParts;
    let at = open.length - 1;
    while (at >= 0 && open[at].block !== block) at--;
    if (at >= 0) {
      open[at].tokens.push(token);
      return;
    }
    const parts = new OwnParts(block, this);
    parts.tokens.push(token);
    open.push(parts);
    this.#blocks.whenDurable(block, parts);
  }

  /**
   * `listener` is called once, when all parts have answered: at once if they have. A token has one listener.
   * @throws Error if the token is not known: nobody would ever be told
   */
  listen(token: number, listener: SafeListener): void {
    const slot = this.#slotOf(token);
    if (slot === NONE) throw new Error(`${token} is no token that is known`);
    if (this.#listeners[slot] !== null) throw new Error(`token ${token} has a listener already`);
    if (this.#parts[slot] === 0) this.#tell(token, slot, listener);
    else this.#listeners[slot] = listener;
  }

  /** Nobody will listen any more. Any other wait is left alone, and so is a token that is over. */
  forget(wait: number): void {
    const slot = this.#slotOf(wait);
    if (slot !== NONE) this.#free(slot);
  }

  /** The block of these parts is durable. */
  ownPartsAreDurable(parts: OwnParts): void {
    this.#ownParts.splice(this.#ownParts.indexOf(parts), 1);
    const { tokens } = parts;
    for (let i = 0; i < tokens.length; i++) this.answered(tokens[i], false);
  }

  /** The token is over before its listener hears of it, who may take another one. */
  #tell(token: number, slot: number, listener: SafeListener): void {
    const isRefused = this.#isRefused[slot] === 1;
    this.#free(slot);
    listener.onSafe(token, isRefused);
  }

  /** That of a token that is known, else NONE. */
  #slotOf(token: number): number {
    if (token > FIRST_TOKEN) return NONE;
    const value = FIRST_TOKEN - token;
    const slot = value % SLOTS;
    return slot < this.#listeners.length && (value - slot) / SLOTS === this.#generations[slot] ? slot : NONE;
  }

  #takeSlot(): number {
    const slot = this.#firstFree;
    if (slot === NONE) {
      const next = this.#listeners.push(null) - 1;
      if (next >= this.#parts.length) this.#grow();
      return next;
    }
    this.#firstFree = this.#nextFree[slot];
    return slot;
  }

  /** With the next generation: no token that was given out has it. */
  #free(slot: number): void {
    this.#generations[slot]++;
    this.#listeners[slot] = null;
    this.#nextFree[slot] = this.#firstFree;
    this.#firstFree = slot;
    this.count--;
  }

  #grow(): void {
    const capacity = this.#parts.length * 2;
    const generations = new Uint32Array(capacity);
    generations.set(this.#generations);
    this.#generations = generations;
    const parts = new Int32Array(capacity);
    parts.set(this.#parts);
    this.#parts = parts;
    const isRefused = new Uint8Array(capacity);
    isRefused.set(this.#isRefused);
    this.#isRefused = isRefused;
    const nextFree = new Int32Array(capacity);
    nextFree.set(this.#nextFree);
    this.#nextFree = nextFree;
  }
}

/** The tokens that have a part in one block of the shard's own journal. */
class OwnParts {
  readonly block: number;
  readonly tokens: number[] = [];
  readonly #waits: Waits;

  constructor(block: number, waits: Waits) {
    this.block = block;
    this.#waits = waits;
  }

  onDurable(): void {
    this.#waits.ownPartsAreDurable(this);
  }
}
