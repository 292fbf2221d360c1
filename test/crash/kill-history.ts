import { HistoryError } from './expected-queue.ts';

/** Publications and acknowledgements that take effect together. */
export class TxRecord {
  /** `doubtful`: the commit was sent, and the broker ended before it answered. */
  state: 'open' | 'committing' | 'committed' | 'rolled back' | 'doubtful' = 'open';
  readonly published: Copy[] = [];
  readonly acknowledged: Copy[] = [];
  /** The life of the broker in which it was begun. */
  readonly life: number;

  constructor(life: number) {
    this.life = life;
  }
}

/** One message in one queue. */
export interface Copy {
  readonly queue: string;
  readonly publisher: string;
  readonly sequence: number;
  readonly tx: TxRecord | null;
  isConfirmed: boolean;
  /** `sent`: perhaps it was not processed. `durable`: it was in a transaction whose commit was answered. */
  ack: 'none' | 'sent' | 'durable';
  /** The last life of the broker in which it was delivered; -1: never. */
  deliveredIn: number;
  /** It was delivered, and neither given back nor rejected: in the same life it must not come a second time. */
  isTaken: boolean;
  /** Names of the queues that have delivered it. */
  readonly deliveredFrom: Set<string>;
}

/**
 * All that the clients did and saw, over all the lives of a broker. It throws as soon as it sees what must not be;
 * what is lost is known at the end, when all queues were drained.
 */
export class KillHistory {
  life = 0;
  confirmed = 0;
  deliveries = 0;
  commits = 0;
  readonly #copies = new Map<string, Copy>();
  readonly #txs: TxRecord[] = [];
  /** In this life of the broker, per queue and publisher: the highest sequence number so far. */
  readonly #highest = new Map<string, number>();
  readonly #requeued = new Set<Copy>();
  readonly #moves: boolean;

  /** `moves`: messages go from queue to queue by themselves; then their order is not known. */
  constructor({ moves = false }: { moves?: boolean } = {}) {
    this.#moves = moves;
  }

  begin(): TxRecord {
    const tx = new TxRecord(this.life);
    this.#txs.push(tx);
    return tx;
  }

  published(publisher: string, sequence: number, queues: readonly string[], tx: TxRecord | null): Copy[] {
    return queues.map((queue) => {
      const copy: Copy = {
        queue,
        publisher,
        sequence,
        tx,
        isConfirmed: false,
        ack: 'none',
        deliveredIn: -1,
        isTaken: false,
        deliveredFrom: new Set(),
      };
      this.#copies.set(`${queue} ${publisher} ${sequence}`, copy);
      tx?.published.push(copy);
      return copy;
    });
  }

  confirmation(copies: readonly Copy[]): void {
    this.confirmed++;
    for (const copy of copies) copy.isConfirmed = true;
  }

  committed(tx: TxRecord): void {
    this.commits++;
    tx.state = 'committed';
    this.confirmation(tx.published);
    for (const copy of tx.acknowledged) copy.ack = 'durable';
  }

  rolledBack(tx: TxRecord): void {
    tx.state = 'rolled back';
    for (const copy of tx.acknowledged) copy.ack = 'none';
  }

  /** `from`: the queue that it came from, where `queue` is the name of several that it goes through. */
  delivered(queue: string, publisher: string, sequence: number, redelivered: boolean, from = queue): Copy {
    this.deliveries++;
    const name = `message ${sequence} of ${publisher} in ${queue}`;
    const copy = this.#copies.get(`${queue} ${publisher} ${sequence}`);
    if (copy === undefined) throw new HistoryError(`${name} was never published`);
    if (copy.tx !== null && (copy.tx.state === 'open' || copy.tx.state === 'rolled back')) {
      throw new HistoryError(`${name} is of a transaction that is ${copy.tx.state}`);
    }
    if (copy.ack === 'durable') throw new HistoryError(`${name} was acknowledged for good, and comes again`);
    if (copy.isTaken && copy.deliveredIn === this.life) throw new HistoryError(`${name} is there twice`);
    if (copy.deliveredFrom.has(from) && !redelivered)
      throw new HistoryError(`${name} comes from ${from} again as if it were new`);
    copy.deliveredFrom.add(from);
    if (!this.#moves) this.#checkOrder(copy, name);
    copy.deliveredIn = this.life;
    copy.ack = 'none';
    copy.isTaken = true;
    return copy;
  }

  requeued(copy: Copy): void {
    copy.ack = 'none';
    copy.isTaken = false;
    this.#requeued.add(copy);
  }

  /** It goes where dead letters go. */
  rejected(copy: Copy): void {
    copy.isTaken = false;
  }

  /** Confirmed, and neither acknowledged nor seen in this life. */
  get missingCount(): number {
    let count = 0;
    for (const { isConfirmed, ack, deliveredIn } of this.#copies.values())
      if (isConfirmed && ack === 'none' && deliveredIn < this.life) count++;
    return count;
  }

  /** The broker's process is gone. */
  lifeEnds(): void {
    this.life++;
    this.#highest.clear();
    this.#requeued.clear();
    for (const tx of this.#txs) {
      if (tx.state === 'committing') tx.state = 'doubtful';
      else if (tx.state === 'open') this.rolledBack(tx);
    }
  }

  /** To be called when all queues were drained, and everything acknowledged. */
  checkAll(): void {
    for (const copy of this.#copies.values()) {
      if (!copy.isConfirmed || copy.ack !== 'none') continue;
      throw new HistoryError(
        `message ${copy.sequence} of ${copy.publisher} in ${copy.queue} was confirmed and is lost; ` +
          (copy.deliveredIn < 0 ? 'it was never delivered' : `it was delivered in life ${copy.deliveredIn}`),
      );
    }
    for (const tx of this.#txs) if (tx.state === 'doubtful') checkWhole(tx);
  }

  #checkOrder(copy: Copy, name: string): void {
    const key = `${copy.queue} ${copy.publisher}`;
    const highest = this.#highest.get(key) ?? -1;
    if (copy.sequence > highest) this.#highest.set(key, copy.sequence);
    else if (!this.#requeued.delete(copy)) {
      throw new HistoryError(`${name} comes after message ${highest}, and was not given back`);
    }
  }
}

/** A transaction in doubt took effect, or it did not. */
function checkWhole(tx: TxRecord): void {
  const [first] = tx.published;
  if (first === undefined) return;
  const isThere = first.deliveredIn >= 0;
  for (const { sequence, publisher, queue, deliveredIn } of tx.published) {
    if (deliveredIn >= 0 === isThere) continue;
    throw new HistoryError(
      `of a transaction of ${publisher}, message ${first.sequence} in ${first.queue} ${isThere ? 'is' : 'is not'} ` +
        `there, but message ${sequence} in ${queue} ${isThere ? 'is not' : 'is'}`,
    );
  }
  for (const { sequence, publisher, queue, deliveredIn, isConfirmed } of tx.acknowledged) {
    const cameAgain = deliveredIn > tx.life;
    if (cameAgain !== isThere) continue;
    // It was delivered before it was safe, and was not yet when the process ended.
    if (!cameAgain && !isConfirmed) continue;
    throw new HistoryError(
      `message ${sequence} of ${publisher} in ${queue} ${cameAgain ? 'came again' : 'is gone'}, although the ` +
        `transaction that acknowledged it ${isThere ? 'took effect' : 'did not take effect'}`,
    );
  }
}
