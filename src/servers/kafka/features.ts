interface Feature {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The level that is in force; 0 for none. */
  readonly level: number;
}

/** What clients ask a cluster for beside the versions of its APIs (KIP-584), as a broker of Kafka 4.2 has it. */
export const FEATURES: readonly Feature[] = [
  // Groups whose members the broker assigns (KIP-848).
  { name: 'group.version', min: 0, max: 1, level: 1 },
  { name: 'kraft.version', min: 0, max: 1, level: 0 },
  // 29: Kafka 4.2.
  { name: 'metadata.version', min: 7, max: 29, level: 29 },
  // Groups whose members share partitions (KIP-932).
  { name: 'share.version', min: 0, max: 1, level: 1 },
  // Producers that are renewed with each transaction (KIP-890).
  { name: 'transaction.version', min: 0, max: 2, level: 2 },
];
