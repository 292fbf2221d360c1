import type { MessagePort } from 'node:worker_threads';
import type { DescriptorUse } from '../../../broker/budget/descriptors.ts';
import type { SharedBudgetMemory } from '../../../broker/budget/shared-memory.ts';
import type { SharedDoors } from '../../../broker/doors/seat.ts';
import type { ListenerName } from '../../../servers/listener/connection-limits.ts';
import type { SharedPort } from '../../../servers/listener/reserved-port.ts';
import type { Configuration } from '../../config/settings.ts';

/** What a thread is started with. */
export interface ShardThreadData {
  readonly number: number;
  readonly doors: SharedDoors;
  /** In which all shards count together. */
  readonly memory: SharedBudgetMemory;
  /** Of the process. */
  readonly configuration: Configuration;
  /** Of the process, before it had threads. */
  readonly descriptors: DescriptorUse;
  /** Takes lines of the log, one in each message. */
  readonly log: MessagePort;
}

/** What the main thread has a shard do. They come one after the other, but for `reload`. */
export type ShardCommand =
  /** Takes a port: that of shard 0 too, or, with null, one of its own, whose number is the answer. */
  | { readonly do: 'reserve'; readonly protocol: ListenerName; readonly on: SharedPort | null }
  /** Opens the broker. */
  | { readonly do: 'open' }
  /** `ports`: of all shards, where each has one of its own. */
  | { readonly do: 'listen'; readonly protocol: ListenerName; readonly ports: readonly number[] | null }
  | { readonly do: 'close-listener'; readonly protocol: ListenerName }
  /** Closes the broker: it flushes, and takes its snapshot. */
  | { readonly do: 'close' }
  /** Reads certificates again. */
  | { readonly do: 'reload' };

export interface AskedCommand {
  readonly id: number;
  readonly command: ShardCommand;
}

export type ShardMessage =
  /** `failure`: why it could not be done, in words for an operator; null if it is. */
  | { readonly id: number; readonly failure: string | null; readonly port?: number }
  /** What is being done to open the broker. */
  | { readonly step: string };
