import type { Broker } from '../../../broker/broker.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { Tx } from '../../../broker/publishing/tx.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { Outcome } from '../../../broker/queues/delivery-outcome.ts';
import type { Unacknowledged } from '../../../broker/queues/unacknowledged.ts';
import type { BackPressure } from '../../../broker/shard/back-pressure.ts';
import type { Route } from '../../../broker/topology/route.ts';
import type { MessageView } from '../../../records/message-view.ts';
import type { HeldMemory } from '../connection/held-memory.ts';

/** Frames of basic.return that are held until the commit. */
const RETURNED_BYTES_MAX = 16 * 1024 * 1024;

type TxMemory = Pick<HeldMemory, 'add' | 'hold'>;

/** The tx mode of a channel (AMQP 1.9): a transaction of the broker, and the basic.returns that its commit sends. */
export class TxChannel {
  readonly #tx: Tx;
  readonly #backPressure: BackPressure;
  #returned: Buffer[] = [];
  #returnedBytes = 0;
  readonly #memory: TxMemory;
  /** What is counted as held: messages until the commit or rollback. */
  #heldBytes = 0;

  constructor(broker: Broker, unacknowledged: Unacknowledged, memory: TxMemory) {
    this.#memory = memory;
    this.#tx = new Tx(broker.shard, broker.deadLettering, unacknowledged);
    this.#backPressure = broker.shard.backPressure;
  }

  /** `returned`: the frames of basic.return, if the message is unroutable and mandatory. */
  publish(
    route: Route<AnyQueue>,
    persistent: boolean,
    messageView: MessageView,
    returned: Buffer | null,
  ): void {
    const bytes = returned === null ? messageView.contentBytes() : returned.length;
    this.#heldBytes += bytes;
    this.#memory.hold(bytes);
    if (returned === null) {
      this.#tx.publish(route, persistent, messageView);
      return;
    }
    this.#returnedBytes += returned.length;
    if (this.#returnedBytes > RETURNED_BYTES_MAX) {
      throw new BrokerError(
        'resource-error',
        `the unroutable messages of a transaction may have at most ${RETURNED_BYTES_MAX} bytes`,
      );
    }
    this.#returned.push(returned);
  }

  /** Whether the open transaction has messages: then its commit waits while publishers are blocked. */
  get hasPublished(): boolean {
    return this.#tx.hasPublished;
  }

  /** See `Tx.mustWait`. */
  mustWait(resume: () => void): boolean {
    return this.#tx.mustWait(resume);
  }

  acknowledge(tag: number, multiple: boolean, kind: Outcome): void {
    this.#tx.acknowledge(tag, multiple, kind);
  }

  hasAcknowledged(tag: number): boolean {
    return this.#tx.hasAcknowledged(tag);
  }

  /**
   * `done` is called when all of it is safe and back-pressure is over, perhaps at once, with the basic.returns; `isRefused` if
   * a message was refused where it went.
   * @throws BrokerError precondition-failed if a queue is full: then nothing of it happens
   */
  commit(done: (returned: readonly Buffer[], isRefused: boolean) => void): void {
    const returned = this.#returned;
    this.#forget();
    this.#tx.commit((logs, isRefused) =>
      this.#backPressure.whenThereIsRoom(logs, () => done(returned, isRefused)),
    );
  }

  rollback(): void {
    this.#forget();
    this.#tx.rollback();
  }

  #forget(): void {
    this.#memory.add(-this.#heldBytes);
    this.#heldBytes = 0;
    this.#returned = [];
    this.#returnedBytes = 0;
  }
}
