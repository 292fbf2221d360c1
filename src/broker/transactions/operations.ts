import type { ObjectAccount } from '../budget/object-account.ts';
import {
  NO_MARKERS,
  type ProducerIdentity,
  type SentMarkers,
  type TransactionState,
} from './transactional-producer.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The changes of transactional ids, as they stand in the journal: `v` is the virtual host, `i` the transactional id. */
export type TransactionOperation = ProducerSet | TransactionGrown | ProducerForgotten | IdsReserved;

/** Who has it from now on. An open transaction is over with that, as its ends in the same block say. */
export interface ProducerSet {
  readonly op: 'transaction.producer';
  readonly v: string;
  readonly i: string;
  /** Producer id and epoch, now and before. */
  readonly now: readonly [number, number];
  readonly before: readonly [number, number];
  readonly timeoutMs: number;
  readonly state: TransactionState;
  readonly updatedMs: number;
  /** The user who began with the id; left out if that is not known, as in what older versions wrote. */
  readonly u?: string;
  /** Of the transaction that is over with this: shards, and ids behind its ends in the outboxes for them. */
  readonly markers?: readonly (readonly [number, number])[];
}

/** The transaction goes on, or begins, with these partitions, by the ids of their logs, and groups. */
export interface TransactionGrown {
  readonly op: 'transaction.grow';
  readonly v: string;
  readonly i: string;
  readonly startMs: number;
  readonly partitions: readonly number[];
  readonly groups: readonly string[];
}

export interface ProducerForgotten {
  readonly op: 'transaction.forget';
  readonly v: string;
  readonly i: string;
}

/** Ids of producers below this one may be in use. */
export interface IdsReserved {
  readonly op: 'transaction.ids';
  readonly limit: number;
}

/** JSON in UTF-8; `op` comes first, by which the journal's reader finds out whose it is. */
export function encodeTransactionOperation(operation: TransactionOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

export function decodeTransactionOperation(bytes: Uint8Array): TransactionOperation {
  return JSON.parse(UTF8.decode(bytes)) as TransactionOperation;
}

/** What is to become of it. */
export interface ProducerChange {
  readonly identity: ProducerIdentity;
  readonly previous: ProducerIdentity;
  readonly timeoutMs: number;
  readonly state: TransactionState;
}

/** The part of a producer that says whose it is. */
export interface ProducerName {
  readonly vhost: string;
  readonly id: string;
  readonly account: ObjectAccount | null;
}

export function producerSet(
  { vhost, id, account }: ProducerName,
  { identity, previous, timeoutMs, state }: ProducerChange,
  updatedMs: number,
  markers: readonly SentMarkers[] = NO_MARKERS,
): ProducerSet {
  const user = account?.openName ?? null;
  return {
    op: 'transaction.producer',
    v: vhost,
    i: id,
    now: [identity.producerId, identity.epoch],
    before: [previous.producerId, previous.epoch],
    timeoutMs,
    state,
    updatedMs,
    ...(user === null ? {} : { u: user }),
    ...(markers.length === 0 ? {} : { markers: markers.map(({ shard, end }) => [shard, end] as const) }),
  };
}
