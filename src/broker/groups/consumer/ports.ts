import type { Work } from '../../../base/turn-time.ts';
import type { GroupSettings } from '../group-settings.ts';
import type { ConsumerGroupChanged } from '../operations.ts';
import type { GroupStreams } from '../ports.ts';
import type { ConsumerMember } from './consumer-member.ts';

export type ConsumerChange = Omit<ConsumerGroupChanged, 'op' | 'v' | 'g'>;

/** What a consumer group has around it. */
export interface ConsumerSurroundings {
  readonly settings: GroupSettings;
  readonly streams: GroupStreams;
  readonly vhost: string;
  /** How long a member may be silent. */
  sessionMs(): number;
  /** Monotonic. */
  now(): number;
  /** Since the epoch. */
  wallMs(): number;
  /** To be called, by `tick`, at this time or soon after. */
  wakeAt(dueMs: number): void;
  changed(change: ConsumerChange): void;
  /** Does the work in turns with others. */
  run(work: Work<void>): void;
  /** Whether the group is there still, and is of this kind. */
  isThere(): boolean;
}

/** A group, as the making of its target knows it. */
export interface TargetOwner {
  readonly members: ReadonlyMap<string, ConsumerMember>;
  readonly epoch: number;
  /** The epoch whose target the members are on their way to. */
  readonly targetEpoch: number;
  assignor: string;
  /** Makes a new epoch, which has no target yet. */
  bumpEpoch(): void;
  /** Journals members, and nothing else that has changed. */
  keepMembers(members: readonly ConsumerMember[]): void;
  /** The target of an epoch is made; that of these members is to be journaled. */
  setTarget(epoch: number, members: Iterable<ConsumerMember>): void;
  /** Journals what has changed. */
  keepChanges(): void;
}
