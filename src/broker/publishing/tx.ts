import type { QueueLog } from '../../log/queues/queue-log.ts';
import { Store } from '../../log/store.ts';
import { MessageView } from '../../records/message-view.ts';
import { ContentView } from '../../records/record-content.ts';
import type { Broker } from '../broker.ts';
import { BrokerError } from '../errors.ts';
import { recordBytesMax } from '../messages/record-from-message.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { Unacknowledged } from '../queues/unacknowledged.ts';
import type { Route } from '../topology/route.ts';
import { admit, type ComingTogether, type Seen } from './admission.ts';
import { sendReplies } from './direct-reply-sender.ts';
import { type Targets, targetsIn, targetsOf } from './route-targets.ts';

/** A transaction is one journal block, and one block is one piece of memory. */
const BYTES_MAX = 256 * 1024 * 1024;

const NOTHING: readonly Seen[] = [];

interface Publication {
  readonly route: Route<Queue>;
  readonly persistent: boolean;
  readonly content: Buffer;
  readonly priority: number;
  readonly expires: boolean;
}

interface Acknowledgement {
  readonly tag: number;
  readonly multiple: boolean;
  readonly kind: 'ack' | 'drop' | 'requeue';
}

/** Messages and acknowledgements that take effect together, or not at all; also across a crash. */
export class Transaction {
  readonly #broker: Broker;
  readonly #unacknowledged: Unacknowledged;
  #publications: Publication[] = [];
  #acknowledgements: Acknowledgement[] = [];
  /** The tags in them: all up to this one, and these. */
  #acknowledgedTo = 0;
  #acknowledged = new Set<number>();
  #bytes = 0;

  constructor(broker: Broker, unacknowledged: Unacknowledged) {
    this.#broker = broker;
    this.#unacknowledged = unacknowledged;
  }

  /** Copies the message. @throws BrokerError resource-error, if the transaction grows beyond its limit */
  publish(route: Route<Queue>, persistent: boolean, messageView: MessageView): void {
    const bytes = messageView.contentBytes();
    const entry =
      Store.entryBytes(route.queues.length, bytes) +
      route.streams.length * recordBytesMax(bytes, messageView.propertiesEnd - messageView.propertiesStart);
    if (this.#bytes + entry > BYTES_MAX) {
      throw new BrokerError('resource-error', `a transaction may hold at most ${BYTES_MAX} bytes`);
    }
    this.#bytes += entry;
    const content = Buffer.allocUnsafe(bytes);
    messageView.write(content, 0);
    this.#publications.push({
      route,
      persistent,
      content,
      priority: messageView.priority,
      expires: messageView.ttlMs >= 0,
    });
  }

  acknowledge(tag: number, multiple: boolean, kind: Acknowledgement['kind']): void {
    this.#acknowledgements.push({ tag, multiple, kind });
    if (multiple) this.#acknowledgedTo = Math.max(this.#acknowledgedTo, tag);
    else this.#acknowledged.add(tag);
  }

  /** Whether the delivery is acknowledged, though that is not committed. */
  hasAcknowledged(tag: number): boolean {
    return tag <= this.#acknowledgedTo || this.#acknowledged.has(tag);
  }

  rollback(): void {
    this.#publications = [];
    this.#acknowledgements = [];
    this.#acknowledgedTo = 0;
    this.#acknowledged = new Set();
    this.#bytes = 0;
  }

  /**
   * `done` is called when all of it is durable; until then nobody gets its messages. It is told where they are.
   * @throws BrokerError precondition-failed, if a queue refuses one of them: then nothing of it has happened
   */
  commit(done: (logs: readonly QueueLog[]) => void): void {
    const { store, turn } = this.#broker;
    const publications = this.#publications;
    const acknowledgements = this.#acknowledgements;
    const bytes = this.#bytes;
    this.rollback();
    const seen: Seen[] = [];
    const together: ComingTogether = new Map();
    let isKnown = false;
    const present = publications.map((each) => {
      const admission = this.#admit(each, together);
      if (admission.isKnown) isKnown = true;
      seen.push(...admission.seen);
      return { ...each, targets: admission.targets };
    });
    // What others acknowledged is no part of it.
    store.flushSettles();
    for (const { tag, multiple, kind } of acknowledgements) {
      if (kind === 'ack') this.#unacknowledged.ack(tag, multiple);
      else this.#unacknowledged.reject(tag, multiple, kind === 'requeue');
    }
    const settleBytes = store.settleBytes();
    const isJournaled =
      settleBytes > 0 ||
      present.some(({ persistent, targets }) =>
        persistent ? targets.durableLogs.length + targets.streams.length > 0 : targets.streams.length > 0,
      );
    const lanesOfAll = new Set<PriorityLevel>();
    let seenBytes = 0;
    for (const each of seen) seenBytes += each.journalBytes;
    store.journal.beginAtomic(bytes + settleBytes + seenBytes);
    for (const each of seen) each.remember();
    const messageView = new MessageView();
    for (const { targets, persistent, content, expires } of present) {
      const { lanes, logs, durableLogs, streams } = targets;
      messageView.content = content;
      for (const stream of streams) stream.append(messageView, turn.nowMs, false);
      if (lanes.length === 0) continue;
      // Transient ones too: a crash may not leave half of it in somebody's hands.
      for (const lane of lanes) {
        if (lanesOfAll.has(lane)) continue;
        lanesOfAll.add(lane);
        if (isJournaled) lane.hold(lane.log.end);
      }
      store.append(logs, durableLogs, persistent, messageView, turn.nowMs);
      const { bodyBytes } = messageView;
      for (const lane of lanes) {
        lane.published(bodyBytes);
        if (expires) lane.queue.messagesExpire();
      }
    }
    store.flushSettles();
    store.journal.endAtomic();
    const onDurable = (): void => {
      if (isJournaled) for (const lane of lanesOfAll) lane.release();
      answer(publications);
      done(Array.from(lanesOfAll, (lane) => lane.log));
    };
    const block = isJournaled ? store.journal.blockNumber : isKnown ? this.#broker.undurableBlock : 0;
    if (block === 0) onDurable();
    else this.#broker.whenDurable(block, { onDurable });
  }

  /** Without the queues that were deleted since the message was routed, and those that do not take it. */
  #admit(
    { route, priority, persistent, content }: Publication,
    together: ComingTogether,
  ): { targets: Targets; seen: readonly Seen[]; isKnown: boolean } {
    let queues = route.queues;
    if (queues.some((queue) => queue.isRemoved)) queues = queues.filter((queue) => !queue.isRemoved);
    // Asked now, as that may have become so since the message was published.
    if (queues.some((queue) => queue.isGuarded)) {
      const { seen, isKnown, ...admission } = admit(
        queues,
        guardedParts(content),
        this.#broker,
        persistent,
        together,
      );
      return { targets: targetsIn(admission.queues, priority, route.streams), seen, isKnown };
    }
    const targets =
      queues === route.queues ? targetsOf(route, priority) : targetsIn(queues, priority, route.streams);
    return { targets, seen: NOTHING, isKnown: false };
  }
}

/** Those who wait for an answer without a queue get it when all else is done. */
function answer(publications: readonly Publication[]): void {
  const messageView = new MessageView();
  for (const { route, content } of publications) {
    if (route.replies.length === 0) continue;
    messageView.content = content;
    sendReplies(route.replies, messageView);
  }
}

/** What a queue looks at that may not take the message. */
function guardedParts(content: Buffer): MessageView {
  const view = new ContentView();
  view.parse(content, 0, content.length);
  const messageView = new MessageView();
  messageView.content = content;
  messageView.protocol = view.sourceProtocol;
  messageView.properties = content;
  messageView.propertiesStart = view.propertiesStart;
  messageView.propertiesEnd = view.propertiesEnd;
  return messageView;
}
