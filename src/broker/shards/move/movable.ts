import type { Store } from '../../../log/store.ts';

/**
 * Something with logs that leaves its shard for another one, as the metadata of shard 0 says where it is: a queue (`queue-move.ts`), or a
 * partition of a stream (`partition-move.ts`).
 */
export interface Movable {
  /** For messages: `queue 'q' in vhost '/'`. */
  readonly title: string;
  readonly from: number;
  readonly to: number;
  /** Of its first log, which shard 0 has given: it is the same wherever that is. */
  readonly id: number;
  /** The ids that its logs get where it goes. */
  readonly newLogIds: readonly number[];
  /** The epoch of the shard that takes it may not be lower before. */
  readonly epoch: number;
  /** About what its logs take. */
  readonly bytes: number;
  /** Copies all logs; they are durable with the next snapshot of the target. Rejects with a CorruptionError if one cannot be read. */
  copy(source: Store, target: Store, onCopied: (bytes: number) => void): Promise<void>;
  /** What else there is to it is in the snapshots of the target from now on. */
  take(): void;
  /** The metadata of shard 0 says from now on where it is. */
  nameNewPlace(): void;
  /** Removes it where it was. */
  remove(): void;
}

/** What leaves a shard. `open` is called when it is its turn. */
export interface Leaver {
  readonly from: number;
  open(): Movable;
}
