import type { Broker } from '../../broker/broker.ts';
import { BrokerError } from '../../broker/errors.ts';
import type { Pressure } from '../../broker/pressure.ts';
import type { Queue } from '../../broker/queue.ts';
import type { Route } from '../../broker/topology/routing.ts';
import { Transaction } from '../../broker/transaction.ts';
import type { Unacked } from '../../broker/unacked.ts';
import type { MessageParts } from '../../log/message-parts.ts';

const RETURNED_BYTES_MAX = 16 * 1024 * 1024;

/** A transaction of the broker, and what only AMQP has: mandatory messages come back when it is committed. */
export class ChannelTransaction {
  readonly #transaction: Transaction;
  readonly #pressure: Pressure;
  #returned: Buffer[] = [];
  #returnedBytes = 0;

  constructor(broker: Broker, unacked: Unacked) {
    this.#transaction = new Transaction(broker, unacked);
    this.#pressure = broker.pressure;
  }

  /** `returned`: the frames of basic.return, if the message is unroutable and mandatory. */
  publish(route: Route<Queue>, persistent: boolean, parts: MessageParts, returned: Buffer | null): void {
    if (returned === null) {
      this.#transaction.publish(route, persistent, parts);
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
    this.#transaction.commit((logs) => this.#pressure.whenThereIsRoom(logs, () => done(returned)));
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
