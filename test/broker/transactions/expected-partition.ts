import type { AbortedTransaction } from '../../../src/broker/streams/producers/aborted-transactions.ts';

/** What stands in a partition: a batch of a producer, or the end of its transaction. */
export interface Fact {
  /** Of the journal. */
  readonly block: number;
  readonly partition: number;
  readonly offset: number;
  readonly count: number;
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly kind: 'plain' | 'transactional' | 'commit' | 'abort';
}

/** What follows from that, found by reading all of it from the beginning each time. */
export interface Reading {
  readonly end: number;
  readonly stable: number;
  readonly aborted: readonly AbortedTransaction[];
  /** By producer. */
  readonly last: ReadonlyMap<number, LastOf>;
  /** Producers with an open transaction. */
  readonly open: ReadonlyMap<number, number>;
}

export interface LastOf {
  readonly epoch: number;
  readonly batches: readonly Fact[];
}

export function read(facts: readonly Fact[]): Reading {
  let end = 0;
  const aborted: AbortedTransaction[] = [];
  const last = new Map<number, { epoch: number; batches: Fact[] }>();
  const open = new Map<number, number>();
  for (const fact of facts) {
    const { producerId, epoch, offset, kind } = fact;
    end = offset + fact.count;
    const known = last.get(producerId);
    const of = known?.epoch === epoch ? known : { epoch, batches: [] };
    last.set(producerId, of);
    if (kind === 'plain' || kind === 'transactional') of.batches.push(fact);
    if (kind === 'transactional' && !open.has(producerId)) open.set(producerId, offset);
    if (kind === 'plain' || kind === 'transactional') continue;
    const firstOffset = open.get(producerId);
    if (firstOffset === undefined) throw new Error('the end of nothing');
    open.delete(producerId);
    if (kind === 'abort') aborted.push({ producerId, firstOffset, lastOffset: offset });
  }
  return { end, stable: Math.min(end, ...open.values()), aborted, last, open };
}
