interface Feature {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The finalized level; 0 for none. */
  readonly level: number;
}

/** Supported and finalized features (KIP-584), as of a Kafka 4.2 broker. */
export const FEATURES: readonly Feature[] = [
  // The consumer group protocol (KIP-848).
  { name: 'group.version', min: 0, max: 1, level: 1 },
  { name: 'kraft.version', min: 0, max: 1, level: 0 },
  // Level 29 is Kafka 4.2.
  { name: 'metadata.version', min: 7, max: 29, level: 29 },
  // Share groups (KIP-932).
  { name: 'share.version', min: 0, max: 1, level: 1 },
  // Level 2: the producer epoch is bumped with each transaction (KIP-890).
  { name: 'transaction.version', min: 0, max: 2, level: 2 },
];
