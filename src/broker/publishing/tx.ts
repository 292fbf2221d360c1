import type { QueueLog } from '../../log/queues/queue-log.ts';
import { MessageView } from '../../records/message-view.ts';
import { ContentView } from '../../records/record-content.ts';
import { BrokerError } from '../errors.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { Outcome } from '../queues/delivery-outcome.ts';
import type { Unacknowledged } from '../queues/unacknowledged.ts';
import type { OutboxPort } from '../shard/outbox-port.ts';
import type { RemoteTarget } from '../shard/remote-publishing.ts';
import type { Shard } from '../shard/shard.ts';
import type { Route } from '../topology/route.ts';
import { admit, type RefusedMessages, type Reservations, type Seen } from './admission.ts';
import { AtomicAppend, appendBytesMax, outboxBytesMax } from './atomic-append.ts';
import { sendReplies } from './direct-reply-sender.ts';
import { RemoteParts } from './remote-parts.ts';
import { type RouteTargets, targetsIn, targetsOf } from './route-targets.ts';

/** A tx is one journal block, and one block is one piece of memory. */
const BYTES_MAX = 256 * 1024 * 1024;

/** All of a tx is appended at once, while nobody else goes on: some milliseconds. */
export const TX_MESSAGES_MAX = 16_384;
/** Those of `multiple` count each, the ones before them that are settled already too. */
export const TX_ACKNOWLEDGEMENTS_MAX = 65_536;

const NOTHING: readonly Seen[] = [];

interface Publication {
  readonly route: Route<AnyQueue>;
  readonly persistent: boolean;
  readonly content: Buffer;
  readonly priority: number;
  readonly expires: boolean;
}

interface Acknowledgement {
  readonly tag: number;
  readonly multiple: boolean;
  readonly kind: Outcome;
}

/** AMQP 1.7.2, the class tx: messages and acknowledgements that take effect together, or not at all; also across a crash. */
export class Tx {
  readonly #shard: Shard;
  readonly #atomic: AtomicAppend;
  readonly #refused: RefusedMessages;
  readonly #unacknowledged: Unacknowledged;
  #publications: Publication[] = [];
  #acknowledgements: Acknowledgement[] = [];
  /** The tags in them: all up to this one, and these. */
  #acknowledgedTo = 0;
  #acknowledged = new Set<number>();
  #acknowledgedCount = 0;
  #bytes = 0;

  constructor(shard: Shard, refused: RefusedMessages, unacknowledged: Unacknowledged) {
    this.#shard = shard;
    this.#atomic = new AtomicAppend(shard);
    this.#refused = refused;
    this.#unacknowledged = unacknowledged;
  }

  /** Copies the message. @throws BrokerError resource-error, if the transaction grows beyond its limit */
  publish(route: Route<AnyQueue>, persistent: boolean, messageView: MessageView): void {
    const bytes = messageView.contentBytes();
    const entry =
      appendBytesMax(
        route.queues.length,
        route.streams.length,
        bytes,
        messageView.propertiesEnd - messageView.propertiesStart,
      ) + this.#outboxBytes(route, bytes, messageView.propertiesEnd - messageView.propertiesStart);
    if (this.#bytes + entry > BYTES_MAX) {
      throw new BrokerError('resource-error', `a transaction may hold at most ${BYTES_MAX} bytes`);
    }
    if (this.#publications.length >= TX_MESSAGES_MAX) {
      throw new BrokerError(
        'resource-error',
        `a transaction may hold at most ${TX_MESSAGES_MAX} messages: commit more often`,
      );
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

  #outboxBytes(route: Route<AnyQueue>, contentBytes: number, propertyBytes: number): number {
    if (this.#shard.outboxes === null) return 0;
    const remotes = remotesOf(route);
    return outboxBytesMax(this.#shard, { remotes, streams: route.streams }, contentBytes, propertyBytes);
  }

  get hasPublished(): boolean {
    return this.#publications.length > 0;
  }

  /**
   * Whether there is no room now for what a commit sends to other shards. If so, `resume` is called once when it is time to ask
   * again; if not, the commit comes before anything else.
   */
  mustWait(resume: () => void): boolean {
    const { outboxes } = this.#shard;
    if (outboxes === null) return false;
    const parts = this.#remoteParts(outboxes);
    if (parts.reserve()) return false;
    outboxes.whenRoom(resume);
    return true;
  }

  #remoteParts(outboxes: OutboxPort): RemoteParts {
    const parts = new RemoteParts(outboxes);
    for (const { route, content } of this.#publications) {
      for (const target of remotesOf(route)) parts.addMessage(target, content.length);
      parts.addRecords(route.streams, content.length);
    }
    for (const { tag, multiple, kind } of this.#acknowledgements) {
      this.#unacknowledged.visitRemote(tag, multiple, (delivered) => parts.addSettlement(delivered, kind));
    }
    return parts;
  }

  /** @throws BrokerError resource-error, if the transaction grows beyond its limit */
  acknowledge(tag: number, multiple: boolean, kind: Acknowledgement['kind']): void {
    this.#acknowledgedCount += multiple ? this.#unacknowledged.spanTo(tag) : 1;
    if (this.#acknowledgedCount > TX_ACKNOWLEDGEMENTS_MAX) {
      throw new BrokerError(
        'resource-error',
        `a transaction may acknowledge at most ${TX_ACKNOWLEDGEMENTS_MAX} deliveries: commit more often`,
      );
    }
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
    this.#acknowledgedCount = 0;
    this.#bytes = 0;
  }

  /**
   * `done` is called when all of it is safe; until then nobody gets its messages. It is told where they are, and whether
   * one that has left the block was refused where it went.
   * @throws BrokerError precondition-failed, if a queue or a stream refuses one of them: then nothing of it has happened
   */
  commit(done: (logs: readonly QueueLog[], isRefused: boolean) => void): void {
    const atomic = this.#atomic;
    const publications = this.#publications;
    const acknowledgements = this.#acknowledgements;
    const bytes = this.#bytes;
    const { outboxes } = this.#shard;
    const remote = outboxes === null ? null : this.#remoteParts(outboxes);
    this.rollback();
    const reservations: Reservations = new Map();
    let isKnown = false;
    const messageView = new MessageView();
    let seenBytes = 0;
    const admitted = publications.map((each) => {
      messageView.content = each.content;
      for (const stream of each.route.streams) stream.check(messageView);
      const admission = this.#admit(each, reservations);
      if (admission.isKnown) isKnown = true;
      for (const seen of admission.seen) seenBytes += seen.journalBytes;
      return admission;
    });
    atomic.excludeSettled();
    if (remote?.hasSettlements === true) this.#takeRemote(acknowledgements);
    this.#settle(acknowledgements);
    const settledBytes = atomic.settledBytes + (remote?.settlementBytesMax ?? 0);
    const logs = new Set<QueueLog>();
    atomic.begin(bytes + settledBytes + seenBytes);
    for (const [index, { persistent, content, expires }] of publications.entries()) {
      const { targets, seen } = admitted[index];
      for (const log of targets.logs) logs.add(log);
      messageView.content = content;
      atomic.append(targets, messageView, persistent, this.#shard.nowMs, expires, true);
      for (const each of seen) each.remember();
    }
    remote?.settle(atomic, this.#shard.nowMs);
    atomic.settle();
    const appended = atomic.end();
    const onSafe = (_wait: number, isRefused: boolean): void => {
      if (!isRefused) sendAnswers(publications);
      done([...logs], isRefused);
    };
    const wait = appended === 0 && isKnown ? this.#shard.undurableBlock : appended;
    this.#shard.whenSafe(wait, { onSafe });
  }

  #takeRemote(acknowledgements: readonly Acknowledgement[]): void {
    for (const { tag, multiple } of acknowledgements) this.#unacknowledged.takeRemote(tag, multiple);
  }

  #settle(acknowledgements: readonly Acknowledgement[]): void {
    for (const { tag, multiple, kind } of acknowledgements) this.#unacknowledged.settle(tag, multiple, kind);
  }

  /** Without the queues that were deleted since the message was routed, and those that do not take it. */
  #admit(
    { route, priority, persistent, content }: Publication,
    reservations: Reservations,
  ): { targets: RouteTargets; seen: readonly Seen[]; isKnown: boolean } {
    let queues = route.queues;
    if (queues.some((queue) => queue.isRemoved)) queues = queues.filter((queue) => !queue.isRemoved);
    // Asked now, as that may have become so since the message was published.
    if (queues.some((queue) => queue.isGuarded)) {
      const { seen, isKnown, ...admission } = admit(
        queues,
        viewForAdmission(content),
        this.#shard,
        this.#refused,
        persistent,
        reservations,
      );
      return { targets: targetsIn(admission.queues, priority, route.streams), seen, isKnown };
    }
    const targets =
      queues === route.queues ? targetsOf(route, priority) : targetsIn(queues, priority, route.streams);
    return { targets, seen: NOTHING, isKnown: false };
  }
}

const NO_REMOTES: readonly RemoteTarget[] = [];

/** Of the route: what it is then may be less. */
function remotesOf({ queues }: Route<AnyQueue>): readonly RemoteTarget[] {
  return queues.every(({ isRemote }) => !isRemote) ? NO_REMOTES : targetsIn(queues, 0).remotes;
}

/** Those who wait for an answer without a queue get it when all else is done. */
function sendAnswers(publications: readonly Publication[]): void {
  const messageView = new MessageView();
  for (const { route, content } of publications) {
    if (route.directReplies.length === 0) continue;
    messageView.content = content;
    sendReplies(route.directReplies, messageView);
  }
}

/** What publish admission reads of a message. */
function viewForAdmission(content: Buffer): MessageView {
  const view = new ContentView();
  view.parse(content, 0, content.length);
  const messageView = new MessageView();
  messageView.content = content;
  messageView.protocol = view.sourceProtocol;
  messageView.priority = view.priority;
  messageView.properties = content;
  messageView.propertiesStart = view.propertiesStart;
  messageView.propertiesEnd = view.propertiesEnd;
  return messageView;
}
