import type { TurnTime, Work } from '../../base/turn-time.ts';

/** So many are given at once: more in one iteration of the event loop take turns with others. */
const AT_ONCE_MAX = 32;
const OWNER = { protocol: 'Kafka', request: 'answers of a group', user: '' };

/**
 * Answers to members who wait for one another: when the last one has come, all are answered, and there may be thousands.
 * They are given in the order in which they came.
 */
export class MemberAnswers {
  readonly #turnTime: TurnTime | null;
  #waiting: (() => void)[] = [];
  /** In this iteration of the event loop. */
  #givenCount = 0;
  #isGiving = false;

  /** Without `turnTime` all are given at once. */
  constructor(turnTime: TurnTime | null) {
    this.#turnTime = turnTime;
  }

  give(answer: () => void): void {
    const turnTime = this.#turnTime;
    if (turnTime === null || (!this.#isGiving && this.#givenCount < AT_ONCE_MAX)) {
      if (turnTime !== null && this.#givenCount++ === 0) {
        void turnTime.next(OWNER).then(() => (this.#givenCount = 0));
      }
      answer();
      return;
    }
    this.#waiting.push(answer);
    if (this.#isGiving) return;
    this.#isGiving = true;
    void turnTime.run(this.#inTurns(turnTime), OWNER);
  }

  *#inTurns(turnTime: TurnTime): Work<void> {
    while (this.#waiting.length > 0) {
      const answers = this.#waiting;
      this.#waiting = [];
      for (let index = 0; index < answers.length; index++) {
        // What an answer does, it does when its step is over.
        if (index % AT_ONCE_MAX === 0) yield turnTime.next(OWNER);
        answers[index]();
      }
    }
    this.#isGiving = false;
  }
}
