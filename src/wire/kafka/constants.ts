/** Numbers that fields of messages have by agreement, under the names that the specification gives them. */

/** `timestamp` of ListOffsets, where it is no time (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023). */
export const LIST_OFFSETS = {
  LATEST: -1,
  EARLIEST: -2,
  MAX_TIMESTAMP: -3,
  EARLIEST_LOCAL: -4,
  LATEST_TIERED: -5,
  EARLIEST_PENDING_UPLOAD: -6,
} as const;

/** `isolationLevel` of Fetch, ListOffsets and share groups. */
export const ISOLATION_LEVEL = { READ_UNCOMMITTED: 0, READ_COMMITTED: 1 } as const;

/** `sessionEpoch` of Fetch (KIP-227) and ShareFetch: a new session, and none or the end of one. */
export const FETCH_SESSION_EPOCH = { INITIAL: 0, FINAL: -1 } as const;

/** `keyType` of FindCoordinator. */
export const COORDINATOR_TYPE = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;

/** `memberEpoch` of the heartbeats of KIP-848 and KIP-932, where it is no epoch. */
export const MEMBER_EPOCH = { JOIN: 0, LEAVE: -1, LEAVE_STATIC: -2 } as const;

/** `acknowledgeTypes` of ShareFetch and ShareAcknowledge (KIP-932); a gap is an offset without a record. */
export const ACKNOWLEDGE_TYPE = { GAP: 0, ACCEPT: 1, RELEASE: 2, REJECT: 3, RENEW: 4 } as const;

/** `resourceType` in the APIs of configurations. */
export const CONFIG_RESOURCE_TYPE = {
  UNKNOWN: 0,
  TOPIC: 2,
  BROKER: 4,
  BROKER_LOGGER: 8,
  CLIENT_METRICS: 16,
  GROUP: 32,
} as const;

/** `configOperation` of IncrementalAlterConfigs. */
export const CONFIG_OPERATION = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

/** `configSource` of DescribeConfigs. */
export const CONFIG_SOURCE = {
  UNKNOWN: 0,
  TOPIC: 1,
  DYNAMIC_BROKER: 2,
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
  DYNAMIC_BROKER_LOGGER: 6,
  CLIENT_METRICS: 7,
  GROUP: 8,
} as const;

/** `configType` of DescribeConfigs. */
export const CONFIG_TYPE = {
  UNKNOWN: 0,
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
} as const;

/** `operation` in the APIs of ACLs; authorized operations have the bit of each. */
export const ACL_OPERATION = {
  UNKNOWN: 0,
  ANY: 1,
  ALL: 2,
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15,
} as const;

export const ACL_PERMISSION = { UNKNOWN: 0, ANY: 1, DENY: 2, ALLOW: 3 } as const;

/** `resourceType` in the APIs of ACLs. */
export const ACL_RESOURCE_TYPE = {
  UNKNOWN: 0,
  ANY: 1,
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  TRANSACTIONAL_ID: 5,
  DELEGATION_TOKEN: 6,
  USER: 7,
} as const;

/** `resourcePatternType` in the APIs of ACLs (KIP-290). */
export const ACL_PATTERN_TYPE = { UNKNOWN: 0, ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const;

/** `mechanism` in the APIs of SCRAM credentials (KIP-554). */
export const SCRAM_MECHANISM = { UNKNOWN: 0, SCRAM_SHA_256: 1, SCRAM_SHA_512: 2 } as const;

/** `matchType` of DescribeClientQuotas (KIP-546). */
export const QUOTA_MATCH_TYPE = { EXACT: 0, DEFAULT: 1, ANY: 2 } as const;
