import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { TurnTime } from '../../base/turn-time.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';
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

export interface GroupDeps {
  readonly streams: GroupStreams;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Without it everything is done at once, however much it is. */
  readonly turnTime?: TurnTime;
  readonly settings: GroupSettings;
  /** Without them nothing but the settings limits what there is. */
  readonly quotas?: ObjectQuotas;
  /** What is set for one group, by name. */
  configsOf(vhost: string, group: string): ReadonlyMap<string, string>;
  /** Journals an operation; the number of the block in which it is. */
  record(operation: Uint8Array): number;
}

/** Partitions as members of classic groups call them. */
export interface NamedPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** What a member of a classic group tells the leader. */
export interface MemberSubscription {
  readonly topics: readonly string[];
  /** What it has and does not give up before it has been told to; nothing if it gave up all. */
  readonly ownedPartitions: readonly NamedPartitions[];
  readonly rackId: string | null;
}

/** What members of classic groups tell one another, and only mean for one another. Whoever serves them knows how. */
export interface MemberCodec {
  /** Null if it is not understood. */
  readSubscription(protocolType: string, metadata: Buffer): MemberSubscription | null;
  /** Nothing if it is not understood. */
  readAssignment(protocolType: string, assignment: Buffer): readonly NamedPartitions[];
  /** For a member with this subscription. */
  writeAssignment(metadata: Buffer, partitions: readonly NamedPartitions[]): Buffer;
}

/** Understands nothing. */
export const noCodec: MemberCodec = {
  readSubscription: () => null,
  readAssignment: () => [],
  writeAssignment: () => Buffer.alloc(0),
};

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
