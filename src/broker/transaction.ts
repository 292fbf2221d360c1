import { MessageParts } from '../log/message-parts.ts';
import { Store } from '../log/store.ts';
import type { Broker } from './broker.ts';
import { BrokerError } from './errors.ts';
import type { Queue } from './queue.ts';
import { type Targets, targetsOf } from './targets.ts';
import type { Route } from './topology/routing.ts';
import type { Unacked } from './unacked.ts';

/** A transaction is one journal block, and one block is one piece of memory. */
const BYTES_MAX = 256 * 1024 * 1024;

interface Publication {
  readonly route: Route<Queue>;
  readonly persistent: boolean;
  readonly content: Buffer;
}

interface Acknowledgement {
  readonly tag: number;
  readonly multiple: boolean;
  readonly kind: 'ack' | 'drop' | 'requeue';
}

/** Messages and acknowledgements that take effect together, or not at all; also across a crash. */
export class Transaction {
  readonly #broker: Broker;
  readonly #unacked: Unacked;
  #publications: Publication[] = [];
  #acknowledgements: Acknowledgement[] = [];
  #bytes = 0;

  constructor(broker: Broker, unacked: Unacked) {
    this.#broker = broker;
    this.#unacked = unacked;
  }

  /** Copies the message. @throws BrokerError resource-error, if the transaction grows beyond its limit */
  publish(route: Route<Queue>, persistent: boolean, parts: MessageParts): void {
    const bytes = parts.contentBytes();
    const entry = Store.entryBytes(route.queues.length, bytes);
    if (this.#bytes + entry > BYTES_MAX) {
      throw new BrokerError('resource-error', `a transaction may hold at most ${BYTES_MAX} bytes`);
    }
    this.#bytes += entry;
    const content = Buffer.allocUnsafe(bytes);
    parts.write(content, 0);
    this.#publications.push({ route, persistent, content });
  }

  acknowledge(tag: number, multiple: boolean, kind: Acknowledgement['kind']): void {
    this.#acknowledgements.push({ tag, multiple, kind });
  }

  rollback(): void {
    this.#publications = [];
    this.#acknowledgements = [];
    this.#bytes = 0;
  }

  /** `done` is called when all of it is durable; until then nobody gets its messages. */
  commit(done: () => void): void {
    const { store, turn } = this.#broker;
    const publications = this.#publications;
    const acknowledgements = this.#acknowledgements;
    const bytes = this.#bytes;
    this.rollback();
    // What others acknowledged is no part of it.
    store.flushSettles();
    for (const { tag, multiple, kind } of acknowledgements) {
      if (kind === 'requeue') this.#unacked.reject(tag, multiple, true);
      else this.#unacked.ack(tag, multiple);
    }
    const settleBytes = store.settleBytes();
    const present = publications.map((each) => ({ ...each, targets: presentTargets(each.route) }));
    const isJournaled =
      settleBytes > 0 || present.some((each) => each.persistent && each.targets.durableLogs.length > 0);
    const held: Queue[] = [];
    store.journal.beginAtomic(bytes + settleBytes);
    const parts = new MessageParts();
    for (const { targets, persistent, content } of present) {
      const { queues, logs, durableLogs } = targets;
      if (queues.length === 0) continue;
      parts.content = content;
      // Transient ones too: a crash may not leave half of it in somebody's hands.
      if (isJournaled) hold(queues, held);
      store.append(logs, durableLogs, persistent, parts, turn.nowMs);
      for (const queue of queues) queue.published();
    }
    store.flushSettles();
    store.journal.endAtomic();
    if (!isJournaled) {
      done();
      return;
    }
    this.#broker.whenDurable(store.journal.blockNumber, {
      onDurable: () => {
        for (const queue of held) queue.release();
        done();
      },
    });
  }
}

/** Without the queues that were deleted since the message was routed: the others get it nevertheless. */
function presentTargets(route: Route<Queue>): Targets {
  const targets = targetsOf(route);
  if (!targets.queues.some((queue) => queue.isRemoved)) return targets;
  const queues = targets.queues.filter((queue) => !queue.isRemoved);
  const logs = queues.map((queue) => queue.log);
  return { queues, logs, durableLogs: logs.filter((log) => log.durable) };
}

/** What is published to these queues from here on waits for the transaction. */
function hold(queues: readonly Queue[], held: Queue[]): void {
  for (const queue of queues) {
    if (held.includes(queue)) continue;
    held.push(queue);
    queue.hold(queue.log.end);
  }
}
