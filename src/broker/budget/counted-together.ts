import { ALONE_COUNTER, ALONE_ROWS, type Counter, type Rows } from '../../base/counter.ts';
import type { SharedAddressRates } from './shared-address-rates.ts';
import type { SharedCounter } from './shared-memory.ts';

/**
 * What other shards of the process have of what all count together. Each part of the budget keeps its own numbers in fields,
 * tells them here when they change, and adds what the others have where it holds them against a limit.
 */
export interface CountedTogether {
  readonly shards: number;
  counter(name: SharedCounter): Counter;
  readonly connections: Rows;
  readonly clientMemory: Rows;
  readonly objects: Rows;
  readonly rates: Rows;
  /** Null where there is one shard. */
  readonly addressRates: SharedAddressRates | null;
}

/** One shard: nobody has anything else, and nobody is told. */
export const ALONE: CountedTogether = {
  shards: 1,
  counter: () => ALONE_COUNTER,
  connections: ALONE_ROWS,
  clientMemory: ALONE_ROWS,
  objects: ALONE_ROWS,
  rates: ALONE_ROWS,
  addressRates: null,
};
