import type { Broker } from '../../../broker/broker.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { Transaction } from '../../../broker/publishing/tx.ts';
import type { Queue } from '../../../broker/queues/queue.ts';
import type { Unacknowledged } from '../../../broker/queues/unacknowledged.ts';
import type { BackPressure } from '../../../broker/shard/back-pressure.ts';
import type { Route } from '../../../broker/topology/route.ts';
import type { MessageView } from '../../../records/message-view.ts';

const RETURNED_BYTES_MAX = 16 * 1024 * 1024;

/** A transaction of the broker, and what only AMQP has: mandatory messages come back when it is committed. */
export class TxChannel {
  readonly #transaction: Transaction;
  readonly #backPressure: BackPressure;
  #returned: Buffer[] = [];
  #returnedBytes = 0;

  constructor(broker: Broker, unacknowledged: Unacknowledged) {
    this.#transaction = new Transaction(broker, unacknowledged);
    this.#backPressure = broker.backPressure;
  }

  /** `returned`: the frames of basic.return, if the message is unroutable and mandatory. */
  publish(route: Route<Queue>, persistent: boolean, messageView: MessageView, returned: Buffer | null): void {
    if (returned === null) {
      this.#transaction.publish(route, persistent, messageView);
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

  acknowledge(tag: number, multiple: boolean, kind: 'ack' | 'drop' | 'requeue'): void {
    this.#transaction.acknowledge(tag, multiple, kind);
  }

  hasAcknowledged(tag: number): boolean {
    return this.#transaction.hasAcknowledged(tag);
  }

  /**
   * `done` is called when all of it is durable, perhaps at once, with the frames that come back to the client. Who fills
   * memory faster than it is emptied has to wait for that.
   * @throws BrokerError precondition-failed, if nothing of it happens because a queue is full
   */
  commit(done: (returned: readonly Buffer[]) => void): void {
    const returned = this.#returned;
    this.#forgetReturned();
    this.#transaction.commit((logs) => this.#backPressure.whenThereIsRoom(logs, () => done(returned)));
  }

  rollback(): void {
    this.#forgetReturned();
    this.#transaction.rollback();
  }

  #forgetReturned(): void {
    this.#returned = [];
    this.#returnedBytes = 0;
  }
}
