import { MessageView, parseContent } from '../../../records/message-view.ts';
import { ContentView } from '../../../records/record-content.ts';
import { dueAfter } from '../../delays/due-time.ts';
import { FRAME_OUTBOX_ANSWER } from '../../doors/frame-kinds.ts';
import type { OutboxLink } from '../../doors/outbox-link.ts';
import { deduplicate, type Seen } from '../../publishing/admission.ts';
import {
  type AppendTargets,
  AtomicAppend,
  appendBytesMax,
  mayLeave,
  operationBytes,
  outboxBytesMax,
  reserveOutboxes,
} from '../../publishing/atomic-append.ts';
import { type RouteTargets, targetsIn } from '../../publishing/route-targets.ts';
import type { Queue } from '../../queues/queue.ts';
import type { OutboxPort, RemoteMarkers, RemoteSettlement } from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { StreamPort } from '../../topology/ports.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { EntryView } from './outbox-entry.ts';
import { ANSWER_BYTES, ENTRIES_HEADER_BYTES, ENTRY_HEADER_BYTES, writeAnswer } from './outbox-frames.ts';
import { encodeOutboxOperation, RECEIVED_BYTES_MAX } from './outbox-operations.ts';

/** A partition, for records of other shards. */
export interface RecordReceiver {
  gather(messageView: MessageView, timestampMs: number, hasForeignEnvelope?: boolean): void;
}

/** Ends transactions of other shards in partitions of this one. */
export interface MarkerReceiver {
  /** What that takes of the journal at most. */
  bytesMax(markers: RemoteMarkers): number;
  /** In the block that remembers it. Partitions that are gone are left out. */
  end(markers: RemoteMarkers, timestampMs: number): void;
}

export interface InboxDeps {
  readonly shard: Shard;
  readonly link: OutboxLink;
  /** Of this shard. */
  readonly outboxes: OutboxPort;
  /** The queue of this shard with this id; undefined if it was deleted. */
  findQueue(id: number): Queue | undefined;
  /** The stream of this shard that has a partition with this log; undefined if it was deleted. */
  findStream(logId: number): StreamPort | undefined;
  /** Where a message waits that comes due then; undefined if the virtual host is gone. */
  findDelay(vhost: string, dueMs: number): AppendTargets | undefined;
  findPartition(logId: number): RecordReceiver | undefined;
  markers(): MarkerReceiver;
  /** See `SettlementReceiver`. */
  canSettle(settlement: RemoteSettlement): boolean;
  /** What clients of the other shard, in a tx, say of deliveries from here. */
  settle(settlement: RemoteSettlement): void;
  readonly metadata: KnownMetadata;
}

/** Something on its way into the block of what has come with it. */
interface Arrival {
  /** What it takes of the journal at most. */
  readonly bytes: number;
  /** `messageView` is used for all. */
  append(atomic: AtomicAppend, messageView: MessageView): void;
}

/** A message on its way into its queues. */
class MessageArrival implements Arrival {
  readonly bytes: number;
  readonly #targets: RouteTargets;
  readonly #content: Buffer;
  readonly #isPersistent: boolean;
  readonly #timestampMs: number;
  readonly #expires: boolean;
  readonly #seen: readonly Seen[];

  constructor(
    shard: Shard,
    targets: RouteTargets,
    content: Buffer,
    isPersistent: boolean,
    timestampMs: number,
    expires: boolean,
    seen: readonly Seen[],
  ) {
    this.#targets = targets;
    this.#content = content;
    this.#isPersistent = isPersistent;
    this.#timestampMs = timestampMs;
    this.#expires = expires;
    this.#seen = seen;
    const logs = isPersistent ? targets.durableLogs.length : 0;
    let bytes = appendBytesMax(logs, targets.streams.length, content.length);
    bytes += outboxBytesMax(shard, targets, content.length);
    for (const each of seen) bytes += each.journalBytes;
    this.bytes = bytes;
  }

  append(atomic: AtomicAppend, messageView: MessageView): void {
    messageView.content = this.#content;
    atomic.append(this.#targets, messageView, this.#isPersistent, this.#timestampMs, this.#expires);
    for (const each of this.#seen) each.remember();
  }
}

const NOTHING: readonly Seen[] = [];
/** How long it takes at least to read a message from a segment. */
const READ_MS = 5;

/**
 * What another shard sends from its outbox: takes exactly the next entry, in one block with the operation that says so, and
 * answers when that is durable. An entry that was taken before is answered again.
 */
export class Inbox {
  readonly from: number;
  /** The id that is taken next. */
  next = 0;
  /** Ids below were taken, and are durable. */
  stored = 0;
  /** Messages whose queues and streams were all deleted. */
  dropped = 0;
  readonly #deps: InboxDeps;
  readonly #atomic: AtomicAppend;
  readonly #entry = new EntryView();
  readonly #content = new ContentView();
  readonly #messageView = new MessageView();
  readonly #answer = Buffer.alloc(ANSWER_BYTES);
  /** How far the journal says that it is. */
  #written = 0;
  #session = 0;
  #isAgain = false;
  #isAnswering = false;
  #isBehind = false;
  #isReading = false;
  #lastKey: Buffer = Buffer.alloc(0);
  #lastPriority = 0;
  #lastTargets: RouteTargets | null = null;
  #arrivals: Arrival[] = [];
  #arrivalBytes = 0;

  constructor(from: number, deps: InboxDeps) {
    this.from = from;
    this.#deps = deps;
    this.#atomic = new AtomicAppend(deps.shard);
  }

  /** At recovery. */
  restore(next: number): void {
    this.next = Math.max(this.next, next);
    this.stored = this.next;
    this.#written = this.next;
  }

  asked(buffer: Buffer, start: number): void {
    this.#session = buffer.readDoubleLE(start);
    this.#isAgain = false;
    this.#reply();
  }

  /** A frame of entries. */
  take(buffer: Buffer, start: number, end: number): void {
    this.#session = Math.max(this.#session, buffer.readDoubleLE(start));
    const metadata = buffer.readDoubleLE(start + 8);
    if (this.#isReading) return;
    if (metadata > this.#deps.metadata.number) {
      this.#waitForMetadata(metadata);
      return;
    }
    this.#deps.shard.turn.touch();
    const before = this.next;
    let id = buffer.readDoubleLE(start + 16);
    if (id > this.next) {
      this.#replyAgain();
      return;
    }
    for (let at = start + ENTRIES_HEADER_BYTES; at < end; id++) {
      const timestampMs = buffer.readDoubleLE(at);
      const length = buffer.readUInt32LE(at + 8);
      at += ENTRY_HEADER_BYTES;
      if (id === this.next && !this.#takeEntry(buffer, at, length, timestampMs)) break;
      at += length;
    }
    this.#write();
    if (this.#isReading) return;
    // All of it was taken before, and the answer may have been lost.
    if (this.next === before) this.#reply();
  }

  /** One more is taken, and written with others; false if it has to wait for something to be read. */
  #takeEntry(buffer: Buffer, start: number, length: number, timestampMs: number): boolean {
    const entry = this.#entry;
    if (length > 0) {
      entry.parse(buffer, start, length);
      if (entry.kind === 'settlements') return this.#takeSettlements();
      if (entry.kind === 'message') {
        if (!this.#addMessage(timestampMs)) return false;
      } else if (entry.kind === 'delayed') this.#addDelayed(timestampMs);
      else if (entry.kind === 'record') this.#addRecord(timestampMs);
      else this.#addMarkers(timestampMs);
    }
    this.next++;
    return true;
  }

  #takeSettlements(): boolean {
    if (!this.#canSettle()) return false;
    this.#settle();
    this.next++;
    this.#writeSettled();
    return true;
  }

  #addRecord(timestampMs: number): void {
    const { logId, content, hasForeignEnvelope } = this.#entry.record;
    const partition = this.#deps.findPartition(logId);
    if (partition === undefined) {
      this.dropped++;
      return;
    }
    this.#add({
      bytes: appendBytesMax(0, 1, content.length),
      append: (_atomic, messageView) => {
        messageView.content = content;
        partition.gather(messageView, timestampMs, hasForeignEnvelope);
      },
    });
  }

  #addMarkers(timestampMs: number): void {
    const receiver = this.#deps.markers();
    const { markers } = this.#entry;
    this.#add({ bytes: receiver.bytesMax(markers), append: () => receiver.end(markers, timestampMs) });
  }

  #add(arrival: Arrival): void {
    const { bytes } = arrival;
    if (this.#arrivals.length > 0 && this.#arrivalBytes + bytes > this.#atomic.batchBytesMax) this.#write();
    this.#arrivals.push(arrival);
    this.#arrivalBytes += bytes;
  }

  /** It waits on, as long as it would have where it comes from. */
  #addDelayed(timestampMs: number): void {
    const { delayedIn, content } = this.#entry;
    this.#content.parse(content, 0, content.length);
    const targets = this.#deps.findDelay(delayedIn, dueAfter(timestampMs, this.#content.delayMs));
    if (targets === undefined) {
      this.dropped++;
      return;
    }
    this.#add({
      bytes: appendBytesMax(targets.durableLogs.length, 0, content.length),
      append: (atomic, messageView) => {
        messageView.content = content;
        atomic.append(targets, messageView, true, timestampMs, false);
      },
    });
  }

  /** False if it has to go on to another shard, and has no room on the way. */
  #addMessage(timestampMs: number): boolean {
    const entry = this.#entry;
    const { content } = entry;
    const view = this.#content;
    view.parse(content, 0, content.length);
    const targets = this.#targets(view.priority);
    if (targets.queues.length + targets.streams.length === 0) {
      this.dropped++;
      return true;
    }
    const goesOn = mayLeave(targets);
    if (goesOn && !this.#reserve(targets, content.length)) return false;
    const isExamined = entry.isPublished && targets.queues.some((queue) => queue.deduplicator !== null);
    // Names of those that are not written yet would not be known.
    if (isExamined) this.#write();
    this.#add(this.#arrival(targets, content, timestampMs, view.ttlMs >= 0, isExamined));
    if (goesOn) this.#writeNext();
    return true;
  }

  /** Of a stream that has got partitions in other shards since its entry was written. */
  #reserve(targets: RouteTargets, contentBytes: number): boolean {
    this.#write();
    const { outboxes } = this.#deps;
    outboxes.beginReserving();
    if (reserveOutboxes(outboxes, targets, contentBytes)) return true;
    this.#sendAgainLater();
    return false;
  }

  /** What is reserved is appended before anything else. */
  #writeNext(): void {
    this.next++;
    this.#write();
    this.next--;
  }

  #arrival(
    all: RouteTargets,
    content: Buffer,
    timestampMs: number,
    expires: boolean,
    isExamined: boolean,
  ): Arrival {
    const { isPersistent } = this.#entry;
    const { targets, seen } = isExamined ? this.#examined(all, content) : { targets: all, seen: NOTHING };
    return new MessageArrival(this.#deps.shard, targets, content, isPersistent, timestampMs, expires, seen);
  }

  /** Without the queues that have had a message of this name. */
  #examined(targets: RouteTargets, content: Buffer): { targets: RouteTargets; seen: readonly Seen[] } {
    const { isPersistent } = this.#entry;
    const messageView = parseContent(Buffer.from(content), new MessageView());
    const { queues, seen } = deduplicate(targets.queues, messageView, this.#deps.shard, isPersistent);
    return { targets: targetsIn(queues, messageView.priority, targets.streams), seen };
  }

  /** Messages that come one after the other mostly go the same way. */
  #targets(priority: number): RouteTargets {
    const { key } = this.#entry;
    const last = this.#lastTargets;
    const isSame = last !== null && this.#lastPriority === priority && this.#lastKey.equals(key);
    const isThere = isSame && last.streams.length === 0 && !last.queues.some((queue) => queue.isRemoved);
    if (isThere) return last;
    const queues: Queue[] = [];
    for (const id of this.#entry.queueIds()) {
      const queue = this.#deps.findQueue(id);
      if (queue !== undefined) queues.push(queue);
    }
    const targets = targetsIn(queues, priority, this.#streams());
    this.#lastKey = Buffer.from(key);
    this.#lastPriority = priority;
    this.#lastTargets = targets;
    return targets;
  }

  #streams(): StreamPort[] {
    const streams: StreamPort[] = [];
    for (const id of this.#entry.streamIds()) {
      const stream = this.#deps.findStream(id);
      if (stream !== undefined) streams.push(stream);
    }
    return streams;
  }

  /** What was taken goes into one block, with how far that is. */
  #write(): void {
    const arrivals = this.#arrivals;
    if (arrivals.length === 0 && this.next === this.#written) return;
    const atomic = this.#atomic;
    atomic.excludeSettled();
    atomic.begin(this.#arrivalBytes + operationBytes(RECEIVED_BYTES_MAX));
    for (const arrival of arrivals) arrival.append(atomic, this.#messageView);
    this.#messageView.clear();
    this.#arrivals = [];
    this.#arrivalBytes = 0;
    this.#end();
  }

  #canSettle(): boolean {
    let canSettle = true;
    for (const settlement of this.#entry.settlements()) {
      if (!this.#deps.canSettle(settlement)) canSettle = false;
    }
    if (!canSettle) this.#sendAgainLater();
    return canSettle;
  }

  /** Until then what comes is not taken; it is sent again. */
  #sendAgainLater(): void {
    this.#isReading = true;
    this.#deps.shard.scheduler.after(READ_MS, () => {
      this.#isReading = false;
      this.#replyAgain();
    });
  }

  /** Those of a tx: each has its own block, with how far that is. */
  #settle(): void {
    this.#write();
    this.#atomic.excludeSettled();
    for (const settlement of this.#entry.settlements()) this.#deps.settle(settlement);
  }

  #writeSettled(): void {
    const atomic = this.#atomic;
    atomic.begin(atomic.settledBytes + operationBytes(RECEIVED_BYTES_MAX));
    atomic.settle();
    this.#end();
  }

  #end(): void {
    const { next } = this;
    this.#written = next;
    this.#atomic.record(encodeOutboxOperation({ op: 'outbox.received', from: this.from, next }));
    const block = this.#atomic.end();
    this.#deps.shard.whenDurable(block, {
      onDurable: () => {
        this.stored = next;
        this.#reply();
      },
    });
  }

  /** Queues that the messages go to may not be known here yet. */
  #waitForMetadata(number: number): void {
    if (this.#isBehind) return;
    this.#isBehind = true;
    this.#deps.metadata.whenKnown(number, () => {
      this.#isBehind = false;
      this.#replyAgain();
    });
  }

  #replyAgain(): void {
    this.#isAgain = true;
    this.#reply();
  }

  /** Not while this shard is filled faster than it is emptied: what is sent without an answer is limited. */
  #reply(): void {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    const { backPressure } = this.#deps.shard;
    if (backPressure.isOverwhelmed) backPressure.onResume([], this.#send);
    else this.#send();
  }

  readonly #send = (): void => {
    const { link, shard } = this.#deps;
    const { next, stored } = this;
    const bytes = writeAnswer(this.#answer, {
      session: this.#session,
      next,
      stored,
      isAgain: this.#isAgain,
    });
    shard.turn.schedule();
    if (!link.send(FRAME_OUTBOX_ANSWER, this.#answer, bytes)) {
      link.whenRoom(this.#send);
      return;
    }
    this.#isAgain = false;
    this.#isAnswering = false;
  };
}
