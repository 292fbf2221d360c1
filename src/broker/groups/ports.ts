import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { GroupSettings } from './group-settings.ts';

/** What groups have to know of a stream. */
export interface GroupStream {
  readonly vhost: string;
  readonly name: string;
  /** Never used again, also not by another stream of the same name. */
  readonly id: string;
  readonly partitions: { readonly length: number };
}

/** Where streams are looked up. */
export interface GroupStreams {
  get(vhost: string, name: string): GroupStream | undefined;
  byId(id: string): GroupStream | undefined;
  list(vhost: string): readonly GroupStream[];
}

export interface GroupParts {
  readonly streams: GroupStreams;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly settings: GroupSettings;
  /** What is set for one group, by name. */
  configsOf(vhost: string, group: string): ReadonlyMap<string, string>;
  /** Journals an operation; the number of the block in which it is. */
  record(operation: Uint8Array): number;
}

/**
 * Names that members of a classic group subscribed to, out of the bytes that they only mean for one another; null if
 * they say nothing that is understood. Whoever serves the members knows how.
 */
export type SubscriptionReader = (protocolType: string, metadata: Buffer) => readonly string[] | null;

/** Groups of a kind that is not kept here, as those that share what is in a partition. */
export interface OtherGroups {
  readonly type: string;
  has(vhost: string, id: string): boolean;
  list(vhost: string): readonly OtherGroup[];
  /** @throws GroupError group-not-empty */
  delete(vhost: string, id: string): void;
}

export interface OtherGroup {
  readonly id: string;
  readonly protocolType: string;
  readonly state: string;
}
