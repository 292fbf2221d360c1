/** Kafka's names and defaults. */
export interface TransactionSettings {
  /** `transaction.max.timeout.ms`: the longest that a transaction may ask to stay open. */
  readonly timeoutMsMax: number;
  /** `transactional.id.expiration.ms`: a transactional id that is not used for so long is forgotten. */
  readonly idExpirationMs: number;
  /** `producer.id.expiration.ms`: what a partition knows of a producer that is silent for so long is forgotten. */
  readonly producerExpirationMs: number;
  /** How often is looked for what is to be forgotten. */
  readonly checkMs: number;
  /** Transactional ids of all virtual hosts. */
  readonly idsMax: number;
  /** Of one of them. */
  readonly idLengthMax: number;
  /** Partitions of one transaction: its end is one block of the journal, with a record in each of them. */
  readonly partitionsMax: number;
  /** Whose offsets one transaction may commit. */
  readonly groupsMax: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export const DEFAULT_TRANSACTION_SETTINGS: TransactionSettings = {
  timeoutMsMax: 15 * 60 * 1000,
  idExpirationMs: 7 * DAY_MS,
  producerExpirationMs: DAY_MS,
  checkMs: 10 * 60 * 1000,
  idsMax: 100_000,
  idLengthMax: 1000,
  partitionsMax: 2000,
  groupsMax: 1000,
};
