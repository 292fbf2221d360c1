import type { Counter, Rows } from '../../base/counter.ts';
import { type Place, SharedCounters } from '../../base/shared-counters.ts';
import { SharedTable } from '../../base/shared-table.ts';
import type { CountedTogether } from './counted-together.ts';
import { SharedAddressRates } from './shared-address-rates.ts';
import { SHARED_COUNTERS, type SharedBudgetMemory, type SharedCounter } from './shared-memory.ts';

/** How the shard of this place counts together with the others. It is loaded where there are several. */
export class SharedBudget implements CountedTogether {
  readonly shards: number;
  readonly connections: Rows;
  readonly clientMemory: Rows;
  readonly objects: Rows;
  readonly rates: Rows;
  readonly addressRates: SharedAddressRates;
  readonly #counters: SharedCounters;

  constructor(place: Place, memory: SharedBudgetMemory) {
    const { counters, connections, clientMemory, objects, rates, addressRates } = memory;
    this.shards = place.count;
    this.#counters = new SharedCounters(counters, place);
    this.connections = new SharedTable(connections, place);
    this.clientMemory = new SharedTable(clientMemory, place);
    this.objects = new SharedTable(objects, place);
    this.rates = new SharedTable(rates, place);
    this.addressRates = new SharedAddressRates(addressRates);
  }

  counter(name: SharedCounter): Counter {
    return this.#counters.counter(SHARED_COUNTERS.indexOf(name));
  }
}
