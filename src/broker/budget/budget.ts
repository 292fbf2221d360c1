import { type Clock, systemClock } from '../../base/clock.ts';
import { AddressRates } from './address-rates.ts';
import { ClientMemory, type ClientMemoryOptions } from './client-memory.ts';
import { ALONE, type CountedTogether } from './counted-together.ts';
import { DescriptorBudget, type DescriptorUse, UNLIMITED } from './descriptors.ts';
import { FairTurns } from './fair-turns.ts';

export interface BudgetOptions {
  readonly descriptors?: DescriptorUse;
  /** Connections a second from one address; Infinity for no limit. */
  readonly connectionRatePerAddress?: number;
  readonly memory?: ClientMemoryOptions;
  readonly clock?: Clock;
  /** With the other shards of the process; there are none unless it is said. */
  readonly together?: CountedTogether;
}

/** TLS handshakes at a time: each takes the event loop for a millisecond or two. */
const TLS_HANDSHAKES_MAX = 8;
const TLS_HANDSHAKES_WAITING_MAX = 65_536;

/**
 * What clients may make the broker hold and do, over all protocols and listeners of one process. Each of its shards has one of
 * these, which count together.
 */
export class Budget {
  readonly descriptors: DescriptorBudget;
  readonly addresses: AddressRates;
  readonly memory: ClientMemory;
  readonly together: CountedTogether;
  /** Fair by the address of the client. */
  readonly tlsHandshakes = new FairTurns({
    runningMax: TLS_HANDSHAKES_MAX,
    waitingMax: TLS_HANDSHAKES_WAITING_MAX,
  });

  constructor(options: BudgetOptions = {}) {
    const { together = ALONE } = options;
    this.together = together;
    this.descriptors = new DescriptorBudget(options.descriptors ?? UNLIMITED, together);
    this.memory = new ClientMemory(options.memory, together);
    this.addresses = new AddressRates(
      options.connectionRatePerAddress ?? Number.POSITIVE_INFINITY,
      options.clock ?? systemClock,
      together.addressRates,
    );
  }
}
