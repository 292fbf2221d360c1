import {
  baseSequenceOf,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from '../../records/producer-fields.ts';
import type { Partition } from '../streams/partition.ts';
import { Participants } from './participants.ts';
import type { Owner } from './requests.ts';
import type { Refused, TransactionAdmission, VerificationRequest } from './transaction-admission.ts';
import type { TransactionErrorKind } from './transaction-error.ts';

/** To the coordinator: its answer comes to `Verification.answered` with this number. */
export type AskCoordinator = (number: number, request: VerificationRequest) => void;

interface Question {
  readonly request: VerificationRequest;
  readonly listener: (refused: Refused) => void;
  /** An end of this producer has come since it was asked: the answer may be from before. */
  isOvertaken: boolean;
}

/**
 * In a shard whose transactions are coordinated in another one: which of its partitions are in the open transaction of a producer. What
 * is not known is asked of the coordinator (KIP-890), once for each transaction; whoever asks waits meanwhile. A transaction ends here with
 * its markers: what comes later is asked for anew, and refused.
 *
 *     Produce ── ask ──▶ coordinator: grow, durable ── answered ──▶ participant ── admit ... admit ── ended (marker)
 */
export class Verification {
  readonly participants: Participants;
  readonly #ask: AskCoordinator;
  readonly #questions = new Map<number, Question>();
  /** Those of each producer. */
  readonly #asking = new Map<number, Set<Question>>();
  #lastNumber = 0;

  constructor(ask: AskCoordinator, participants = new Participants()) {
    this.#ask = ask;
    this.participants = participants;
  }

  /** Requests that wait for an answer. */
  get pendingCount(): number {
    return this.#questions.size;
  }

  /** As `Transactions.admit`. */
  admit(
    partition: Partition,
    bytes: Buffer,
    at: number,
    { transactionalId, mayAdd, refused }: TransactionAdmission,
  ): TransactionErrorKind | null {
    if (transactionalId === null) return 'unknown-producer';
    const owner = ownerOf(partition, transactionalId, bytes, at);
    if (!this.participants.has(owner, partition.id)) return refused?.get(partition) ?? 'unverified';
    if (!mayAdd) return null;
    // As in the shard of the coordinator: numbers begin again with each transaction.
    const isUnknown = partition.producers.get(owner.identity.producerId) === undefined;
    return isUnknown && baseSequenceOf(bytes, at) !== 0 ? 'out-of-order' : null;
  }

  /** Whose transaction the coordinator has to be asked about before the batch at `at` can be admitted; null if that is known. */
  unknownOwner(partition: Partition, id: string, bytes: Buffer, at: number): Owner | null {
    if (!isTransactional(bytes, at)) return null;
    const owner = ownerOf(partition, id, bytes, at);
    return this.participants.has(owner, partition.id) ? null : owner;
  }

  /** `listener` gets those that are refused; the others are participants now, until the transaction ends. */
  ask(request: VerificationRequest, listener: (refused: Refused) => void): void {
    const question = { request, listener, isOvertaken: false };
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#questions.has(this.#lastNumber));
    this.#questions.set(this.#lastNumber, question);
    const { producerId } = request.owner.identity;
    const ofProducer = this.#asking.get(producerId) ?? new Set();
    this.#asking.set(producerId, ofProducer);
    ofProducer.add(question);
    this.#ask(this.#lastNumber, request);
  }

  /** The coordinator's answer for each partition that was asked about: what stands against it, or nothing. */
  answered(number: number, kinds: readonly (TransactionErrorKind | null)[]): void {
    const question = this.#questions.get(number);
    if (question === undefined) throw new Error(`verification ${number} is answered, and nobody has asked`);
    const { request, listener, isOvertaken } = question;
    this.#questions.delete(number);
    this.#forget(question);
    if (isOvertaken) {
      this.ask(request, listener);
      return;
    }
    const refused = new Map<Partition, TransactionErrorKind>();
    for (const [index, partition] of request.partitions.entries()) {
      const kind = kinds[index] ?? null;
      if (kind === null) this.participants.add(request.owner, partition.id);
      else refused.set(partition, kind);
    }
    listener(refused);
  }

  /** The transaction of this producer is over: its markers are here. */
  ended(producerId: number): void {
    this.participants.ended(producerId);
    for (const question of this.#asking.get(producerId) ?? []) question.isOvertaken = true;
  }

  #forget(question: Question): void {
    const { producerId } = question.request.owner.identity;
    const ofProducer = this.#asking.get(producerId);
    ofProducer?.delete(question);
    if (ofProducer?.size === 0) this.#asking.delete(producerId);
  }
}

function ownerOf({ stream: { vhost } }: Partition, id: string, bytes: Buffer, at: number): Owner {
  return {
    vhost,
    id,
    identity: { producerId: producerIdOf(bytes, at), epoch: producerEpochOf(bytes, at) },
  };
}
