/** Kafka's names and defaults, but for the delay: see there. */
export interface GroupSettings {
  /**
   * How long the first members of a group wait for more before the partitions are divided. It saves a rebalance for
   * each consumer of an application that starts; what that costs is small on one node, so that nobody waits for it.
   */
  readonly initialRebalanceDelayMs: number;
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  /** Members of one group. */
  readonly membersMax: number;
  /**
   * What the members of a classic group tell one another, and what the leader gives to them: it is one record of the
   * journal. Kafka has as much room for it as a message of its own topic may have, which is 1 MiB.
   */
  readonly membershipBytesMax: number;
  /** That one member of a classic group can offer. */
  readonly protocolsMax: number;
  /** How long the offsets of a group stay when nobody is in it. */
  readonly offsetsRetentionMs: number;
  readonly offsetsCheckMs: number;
  readonly offsetMetadataBytesMax: number;
  /** For groups in which the broker divides the partitions. */
  readonly heartbeatIntervalMs: number;
  readonly consumerSessionTimeoutMs: number;
  /** Whether members of either protocol may be in one group, and the group pass from one to the other. */
  readonly migration: 'bidirectional' | 'upgrade' | 'downgrade' | 'disabled';
}

export const DEFAULT_GROUP_SETTINGS: GroupSettings = {
  initialRebalanceDelayMs: 0,
  sessionTimeoutMsMin: 6000,
  sessionTimeoutMsMax: 1_800_000,
  membersMax: 5000,
  membershipBytesMax: 2 * 1024 * 1024,
  protocolsMax: 100,
  offsetsRetentionMs: 7 * 24 * 60 * 60 * 1000,
  offsetsCheckMs: 10 * 60 * 1000,
  offsetMetadataBytesMax: 4096,
  heartbeatIntervalMs: 5000,
  consumerSessionTimeoutMs: 45_000,
  migration: 'bidirectional',
};
