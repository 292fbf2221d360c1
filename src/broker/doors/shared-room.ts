import type { Door } from './door.ts';

/**
 * Room in a door for several who write frames, in order: once somebody has to wait, so has everybody who comes later, and they go on
 * in that order.
 */
export class SharedRoom {
  readonly door: Door;
  #waiting: (() => void)[] = [];
  /** Whoever goes on now may write, though others wait behind. */
  #isResuming = false;

  constructor(door: Door) {
    this.door = door;
  }

  /** As `Door.reserve`; -1 also while others wait. */
  reserve(bytesMax: number): number {
    return this.#isBehind ? -1 : this.door.reserve(bytesMax);
  }

  /** As `Door.writeLarge`; false also while others wait. */
  writeLarge(kind: number, pieces: readonly Buffer[]): boolean {
    return !this.#isBehind && this.door.writeLarge(kind, pieces);
  }

  /** After a refusal: the listener is called once when it is its turn and there is room. If that was not enough, it waits again, as the first. */
  whenRoom(listener: () => void): void {
    if (this.#isResuming) {
      this.#waiting.unshift(listener);
      return;
    }
    this.#waiting.push(listener);
    if (this.#waiting.length === 1) this.door.whenRoom(this.#resume);
  }

  get #isBehind(): boolean {
    return this.#waiting.length > 0 && !this.#isResuming;
  }

  readonly #resume = (): void => {
    this.#isResuming = true;
    let before = this.#waiting.length;
    while (before > 0) {
      const listener = this.#waiting.shift() as () => void;
      listener();
      // It was not enough.
      if (this.#waiting.length >= before) break;
      before = this.#waiting.length;
    }
    this.#isResuming = false;
    if (this.#waiting.length > 0) this.door.whenRoom(this.#resume);
  };
}
