import { SharedCounters } from '../../base/shared-counters.ts';
import { SharedTable, type SharedTableMemory } from '../../base/shared-table.ts';
import { ALL_OBJECT_KINDS } from './object-kinds.ts';
import { SharedAddressRates } from './shared-address-rates.ts';

/** What is counted in one number, over all clients. */
export const SHARED_COUNTERS = [
  /** Connections that have a descriptor. */
  'descriptors',
  /** 1 while a file waits for a descriptor. */
  'files-waiting',
  /** Connections of each listener. */
  'amqp-connections',
  'amqps-connections',
  'kafka-connections',
  'kafkas-connections',
  /** Bytes. */
  'client-memory',
  /** Users of whom a connection is paused. */
  'client-memory-waiting',
  /** Bytes of the user who holds most. */
  'client-memory-largest',
  /** Bytes. */
  'large-requests',
  /** 1 while shard 0 finds that the process holds too much memory. */
  'memory-alarm',
  /** 1 while shard 0 would have all collect their garbage. */
  'garbage-wanted',
  /** 1 where that is done. */
  'garbage-collected',
  /** Bytes of the heap that are in memory, and free. */
  'free-heap',
] as const;

export type SharedCounter = (typeof SHARED_COUNTERS)[number];

/** What the shards of a process count in together: buffers that threads share, to be sent to each of them. */
export interface SharedBudgetMemory {
  readonly counters: SharedArrayBuffer;
  /** Connections, by user, virtual host, or listener and address. */
  readonly connections: SharedTableMemory;
  /** Bytes of unfinished input and unsent output, by user. */
  readonly clientMemory: SharedTableMemory;
  /** By user and virtual host, a column for each kind. */
  readonly objects: SharedTableMemory;
  /** Used of limits of rates, by user and client, or address. */
  readonly rates: SharedTableMemory;
  readonly addressRates: SharedArrayBuffer;
}

/** Memory that nobody has written to takes none. */
const CONNECTION_NAMES_MAX = 65_536;
const CLIENT_MEMORY_NAMES_MAX = 65_536;
const OBJECT_NAMES_MAX = 16_384;
const RATE_NAMES_MAX = 16_384;

/** For so many shards. */
export function allocateSharedBudget(count: number): SharedBudgetMemory {
  return {
    counters: SharedCounters.memory(SHARED_COUNTERS.length, count),
    connections: SharedTable.memory(CONNECTION_NAMES_MAX, 1, count),
    clientMemory: SharedTable.memory(CLIENT_MEMORY_NAMES_MAX, 1, count),
    objects: SharedTable.memory(OBJECT_NAMES_MAX, ALL_OBJECT_KINDS.length, count),
    rates: SharedTable.memory(RATE_NAMES_MAX, 1, count),
    addressRates: SharedAddressRates.memory(),
  };
}
