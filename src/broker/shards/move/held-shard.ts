import type { Delays } from '../../delays/delays.ts';
import type { ShareGroups } from '../../groups/share/share-groups.ts';
import type { AnyQueue } from '../../queues/any-queue.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Streams } from '../../streams/streams.ts';
import type { VirtualHosts } from '../../topology/virtual-hosts.ts';
import type { Transactions } from '../../transactions/transactions.ts';
import type { Outboxes } from '../outbox/outboxes.ts';
import type { MovedQueues } from './moved-queues.ts';

/** The broker of a shard that is held (see `Shard.isHeld`), as those know it who move what it has. */
export interface HeldShard {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly delays: Delays;
  readonly streams: Streams;
  readonly shareGroups: ShareGroups;
  readonly transactions: Transactions;
  readonly moved: MovedQueues;
  /** Flushes, takes a snapshot, lets go of the directory. */
  close(): Promise<void>;
  /** Lets go of the directory as a crash does: nothing more is written. */
  abandon(): Promise<void>;
}

/** All shards of a data directory, by their numbers. */
export interface HeldShards {
  readonly shards: readonly HeldShard[];
  /** The doors between them are closed: nothing comes or goes any more. */
  closeDoors(): void;
}

export function outboxesOf({ shard }: HeldShard): Outboxes {
  return shard.outboxes as Outboxes;
}

/** What `fileSystem` and others are asked of. */
export function directoryOf({ shard }: HeldShard): string {
  return shard.storage.directory;
}
