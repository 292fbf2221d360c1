import type { Turn, Output as TurnOutput } from '../../broker/turn.ts';

/** What one connection may send us in one turn: a thousand small messages. */
const READ_BYTES_PER_TURN = 64 * 1024;
/** The size of the buffer that Node reads into: when it was not filled, there is nothing left to read. */
const READ_BYTES_MAX = 65_536;

/**
 * A socket that always has more would be read again and again before anything else happens: messages would pile up
 * that their consumers could have had meanwhile, while they are still in the processor's cache. So each connection
 * has a budget, and is read again after the turn.
 */
export class ReadBudget implements TurnOutput {
  flushPending = false;
  readonly #turn: Turn;
  readonly #setExhausted: (isExhausted: boolean) => void;
  #bytes = 0;

  constructor(turn: Turn, setExhausted: (isExhausted: boolean) => void) {
    this.#turn = turn;
    this.#setExhausted = setExhausted;
  }

  spend(bytes: number): void {
    if (bytes < READ_BYTES_MAX) return;
    this.#bytes += bytes;
    if (!this.flushPending) this.#turn.flushLater(this);
    if (this.#bytes >= READ_BYTES_PER_TURN) this.#setExhausted(true);
  }

  /** The end of the turn. */
  flush(): void {
    if (this.#bytes >= READ_BYTES_PER_TURN) this.#setExhausted(false);
    this.#bytes = 0;
  }
}
