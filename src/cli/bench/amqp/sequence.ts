/**
 * What one queue has delivered of one publisher's numbered messages.
 *
 * A message that arrives in its turn costs one comparison. Numbers that were jumped over are kept as ranges, so that
 * losing a million messages in a row costs one entry and a message that comes late can be told from one that comes twice.
 */
export class SequenceTracker {
  /** The first number seen, or where the run was told to begin. */
  first: number;
  /** One above the highest number seen. */
  next: number;
  duplicates = 0;
  #missing: Range[] = [];

  constructor(first: number) {
    this.first = first;
    this.next = first;
  }

  see(sequence: number): void {
    if (sequence === this.next) this.next++;
    else this.#seeOutOfTurn(sequence);
  }

  /** How many numbers between `first` and `next` have not been seen. */
  missing(): number {
    let count = 0;
    for (const range of this.#missing) count += range.to - range.from;
    return count;
  }

  #seeOutOfTurn(sequence: number): void {
    if (sequence > this.next) {
      this.#missing.push({ from: this.next, to: sequence });
      this.next = sequence + 1;
      return;
    }
    // Late messages are almost always recent ones: look from the end.
    for (let i = this.#missing.length - 1; i >= 0; i--) {
      const range = this.#missing[i];
      if (sequence >= range.to) break;
      if (sequence < range.from) continue;
      this.#missing = [
        ...this.#missing.slice(0, i),
        ...split(range, sequence),
        ...this.#missing.slice(i + 1),
      ];
      return;
    }
    this.duplicates++;
  }
}

interface Range {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

function split(range: Range, sequence: number): Range[] {
  const parts: Range[] = [];
  if (range.from < sequence) parts.push({ from: range.from, to: sequence });
  if (sequence + 1 < range.to) parts.push({ from: sequence + 1, to: range.to });
  return parts;
}

/** One publisher's messages on one queue, as reported. */
export interface SequenceState {
  readonly queue: string;
  readonly publisher: number;
  readonly first: number;
  readonly next: number;
  readonly missing: number;
  readonly duplicates: number;
}

/** All publishers' messages on one queue; shared by the consumers of that queue. */
export class QueueSequences {
  readonly queue: string;
  readonly #trackers: SequenceTracker[] = [];
  /** Publishers with this number or a higher one began with this run: their first message must be number 0. */
  readonly #freshFrom: number;

  constructor(queue: string, freshFrom: number) {
    this.queue = queue;
    this.#freshFrom = freshFrom;
  }

  see(publisher: number, sequence: number): void {
    const tracker = this.#trackers[publisher] ?? this.#track(publisher, sequence);
    tracker.see(sequence);
  }

  states(): SequenceState[] {
    const states: SequenceState[] = [];
    this.#trackers.forEach((t, publisher) => {
      const { first, next, duplicates } = t;
      states.push({ queue: this.queue, publisher, first, next, missing: t.missing(), duplicates });
    });
    return states;
  }

  #track(publisher: number, sequence: number): SequenceTracker {
    const tracker = new SequenceTracker(publisher >= this.#freshFrom ? 0 : sequence);
    this.#trackers[publisher] = tracker;
    return tracker;
  }
}
