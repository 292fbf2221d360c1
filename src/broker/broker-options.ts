import type { Clock } from '../base/clock.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { FileSystem } from '../log/files/filesystem.ts';
import type { Durability } from '../log/journal/journal-files.ts';
import type { JournalHost } from '../log/journal/journal-host.ts';
import type { StreamUpkeep } from '../log/streams/retention-settings.ts';
import type { Budget } from './budget/budget.ts';
import type { ObjectLimitSettings } from './budget/object-limits.ts';
import type { ShardSeat } from './doors/shard-link.ts';
import type { GroupSettings } from './groups/group-settings.ts';
import type { PropertyCodec } from './messages/property-codec.ts';
import type { ShardLog } from './shard/shard.ts';
import type { TransactionSettings } from './transactions/transaction-settings.ts';

export type BrokerLog = ShardLog;

export interface BrokerOptions {
  readonly dataDirectory: string;
  readonly durability?: Durability;
  readonly memoryLimitBytes?: number;
  readonly journalFileBytes?: number;
  readonly journalLimitBytes?: number;
  readonly diskFreeLimitBytes?: number;
  /** Users who may connect from this machine alone; `guest` unless told otherwise. */
  readonly loopbackUsers?: readonly string[];
  /** Publishers are blocked while the process holds more memory than this. */
  readonly memoryHighWaterBytes?: number;
  /** Another way to know how much memory that is. */
  readonly residentBytes?: () => number;
  /** What clients may make the process hold and do; without limits unless told otherwise. */
  readonly budget?: Budget;
  readonly segmentBytes?: number;
  readonly chunkBytes?: number;
  readonly reclaimMs?: number;
  readonly log?: BrokerLog;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /** How to read and change the properties of messages: one for each protocol that messages come from. */
  readonly propertyCodecs?: readonly PropertyCodec[];
  /** Another file system than the real one; it is not locked. */
  readonly fileSystem?: FileSystem;
  /** Where the journal is kept; in files of the data directory unless told otherwise. */
  readonly journal?: JournalHost;
  /** Where this broker is one of several shards; without it, it is alone. The budget counts together with those of others then. */
  readonly seat?: ShardSeat;
  /** Nothing in it acts by itself: see `Shard.isHeld`. Not for serving. */
  readonly isHeld?: boolean;
  /** How much users and virtual hosts may have of what clients make; what is left out is as usual. */
  readonly objectLimits?: Partial<ObjectLimitSettings>;
  readonly groups?: Partial<GroupSettings>;
  readonly transactions?: Partial<TransactionSettings>;
  readonly streamUpkeep?: Partial<StreamUpkeep>;
  /** Told what is done to open the data directory, for messages: 'locking …'. */
  readonly onStep?: (step: string) => void;
  /** The storage failed and cannot be trusted: the process has to end. */
  readonly onFailure?: (error: Error) => void;
}
