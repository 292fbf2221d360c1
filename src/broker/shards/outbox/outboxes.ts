import { Store } from '../../../log/store.ts';
import {
  FRAME_OUTBOX_ANSWER,
  FRAME_OUTBOX_ASK,
  FRAME_OUTBOX_END,
  FRAME_OUTBOX_ENTRIES,
  FRAME_OUTBOX_HELLO,
} from '../../doors/frame-kinds.ts';
import type { OutboxLink } from '../../doors/outbox-link.ts';
import type { AppendTargets } from '../../publishing/atomic-append.ts';
import type { Queue } from '../../queues/queue.ts';
import type { OutboxPort, OutboxTarget, RemoteSettlement } from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import type { StreamPort } from '../../topology/ports.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { shardMissing } from '../missing-shards.ts';
import { CatchUp } from './catch-up.ts';
import { Inbox, type MarkerReceiver, type RecordReceiver } from './inbox.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import {
  markersEntryBytes,
  messageEntryBytes,
  recordEntryBytes,
  settlementsEntryBytes,
} from './outbox-entry.ts';
import { readAnswer } from './outbox-frames.ts';
import { decodeOutboxOperation, encodeOutboxOperation, OUTBOX_PREFIX } from './outbox-operations.ts';

const MIB = 1024 * 1024;
const DEFAULT_LIMITS: OutboxLimits = { entries: 100_000, bytes: 64 * MIB };

/** Settles deliveries of this shard's messages to clients of others. */
export interface SettlementReceiver {
  /** False if a message has to be read before it can be settled: that was begun, and takes some milliseconds. */
  canSettle(from: number, settlement: RemoteSettlement): boolean;
  /**
   * What a client of another shard says in a tx. Called within the block that remembers it: what it settles in logs is in that block. The
   * session is gone after a crash, and the message with this log and offset is to be settled, wherever it is by now.
   */
  settleRemotely(from: number, settlement: RemoteSettlement): void;
}

export interface OutboxesDeps {
  readonly shard: Shard;
  /** To all other shards, by their number; nothing at its own. */
  readonly links: readonly (OutboxLink | undefined)[];
  readonly limits?: OutboxLimits;
  /** The queue of this shard with this id; undefined if it was deleted. */
  findQueue(id: number): Queue | undefined;
  /** The stream of this shard that has a partition with this log; undefined if it was deleted. */
  findStream(logId: number): StreamPort | undefined;
  /** Where a message of a virtual host waits that comes due then; undefined if that is gone. */
  findDelay(vhost: string, dueMs: number): AppendTargets | undefined;
  /** The partition of this shard with this log; undefined if it was deleted. */
  findPartition(logId: number): RecordReceiver | undefined;
  readonly metadata: KnownMetadata;
}

/**
 * What leaves this shard for others, and comes from them, exactly once each and in order: an outbox for each shard that something was
 * sent to, an inbox for each shard that something came from.
 */
export class Outboxes implements SnapshotSection, OutboxPort {
  readonly prefix = OUTBOX_PREFIX;
  /** Who hands out messages of this shard to clients of others; null where nobody does. */
  settlements: SettlementReceiver | null = null;
  /** Who ends transactions in partitions of this shard; null where nobody does. */
  markers: MarkerReceiver | null = null;
  readonly #deps: OutboxesDeps;
  readonly #outboxes = new Map<number, Outbox>();
  readonly #inboxes = new Map<number, Inbox>();
  readonly #catchUp: CatchUp;
  #waiting: (() => void)[] = [];
  #isStopped = false;

  constructor(deps: OutboxesDeps) {
    this.#deps = deps;
    this.#catchUp = new CatchUp({
      shard: deps.shard,
      links: deps.links,
      nextFrom: (peer) => this.#inboxes.get(peer)?.next ?? 0,
      endFor: (peer) => this.#outboxes.get(peer)?.readableEnd ?? 0,
    });
  }

  /** By the shard that they are for. */
  get outboxes(): ReadonlyMap<number, Outbox> {
    return this.#outboxes;
  }

  /** By the shard that they are from. */
  get inboxes(): ReadonlyMap<number, Inbox> {
    return this.#inboxes;
  }

  entryBytesMax(targets: readonly OutboxTarget[], contentBytes: number): number {
    let bytes = 0;
    for (const target of targets) bytes += Store.entryBytes(1, messageEntryBytes(target, contentBytes));
    return bytes;
  }

  settlementBytesMax(count: number): number {
    return Store.entryBytes(1, settlementsEntryBytes(count));
  }

  recordBytesMax(contentBytes: number): number {
    return Store.entryBytes(1, recordEntryBytes(contentBytes));
  }

  markersBytesMax(partitions: number): number {
    return Store.entryBytes(1, markersEntryBytes(partitions));
  }

  beginReserving(): void {
    for (const outbox of this.#outboxes.values()) outbox.beginReserving();
  }

  reserve(targets: readonly OutboxTarget[], contentBytes: number): boolean {
    for (const target of targets) {
      const bytes = messageEntryBytes(target, contentBytes);
      if (!this.#outboxTo(target.shard).reserve(1, bytes)) return false;
    }
    return true;
  }

  reserveAll(shard: number, entries: number, bytes: number): boolean {
    return this.#outboxTo(shard).reserve(entries, bytes);
  }

  whenRoom(listener: () => void): void {
    this.#waiting.push(listener);
  }

  to(shard: number): Outbox {
    const outbox = this.#outboxes.get(shard);
    if (outbox === undefined) throw new Error(`there is no room reserved in an outbox for shard ${shard}`);
    return outbox;
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeOutboxOperation(bytes);
    if (operation.op === 'outbox.received') this.#inboxFrom(operation.from)?.restore(operation.next);
    else if (!this.#outboxes.has(operation.to)) this.#open(operation.to, operation.id);
  }

  *snapshot(): Generator<Uint8Array> {
    for (const { to, log } of this.#outboxes.values()) {
      yield encodeOutboxOperation({ op: 'outbox.open', to, id: log.id });
    }
    for (const { from, next } of this.#inboxes.values()) {
      yield encodeOutboxOperation({ op: 'outbox.received', from, next });
    }
  }

  recovered(): void {
    for (const outbox of this.#outboxes.values()) outbox.recovered();
    for (const [peer, link] of this.#deps.links.entries()) if (link !== undefined) this.#attach(peer, link);
    this.#catchUp.begin();
  }

  stop(): void {
    this.#isStopped = true;
    this.#catchUp.stop();
    for (const outbox of this.#outboxes.values()) outbox.stop();
  }

  /** Shards from this number on are gone: nothing comes from them or goes to them any more. To be called when it has stopped. */
  forgetFrom(shard: number): void {
    for (const [to, { log }] of [...this.#outboxes]) {
      if (to < shard) continue;
      this.#outboxes.delete(to);
      this.#deps.shard.store.removeLog(log);
    }
    for (const from of [...this.#inboxes.keys()]) if (from >= shard) this.#inboxes.delete(from);
  }

  #attach(peer: number, link: OutboxLink): void {
    link.attach({
      outboxFrame: (kind, buffer, start, end) => this.#frame(peer, kind, buffer, start, end),
    });
  }

  #frame(peer: number, kind: number, buffer: Buffer, start: number, end: number): void {
    // What comes while this shard ends is sent again, as it is not answered.
    if (this.#isStopped) return;
    switch (kind) {
      case FRAME_OUTBOX_ENTRIES:
        this.#inboxFrom(peer)?.take(buffer, start, end);
        this.#catchUp.progressed(peer);
        return;
      case FRAME_OUTBOX_ASK:
        this.#inboxFrom(peer)?.asked(buffer, start);
        return;
      case FRAME_OUTBOX_ANSWER:
        this.#outboxes.get(peer)?.answered(readAnswer(buffer, start));
        return;
      case FRAME_OUTBOX_HELLO:
        this.#outboxes.get(peer)?.askForLast();
        this.#catchUp.greeted(peer, buffer, start, end);
        return;
      case FRAME_OUTBOX_END:
        this.#catchUp.answered(peer, buffer, start);
        return;
    }
  }

  /** Made when it is first used, so that one shard and those that have nothing for each other have none. */
  #outboxTo(to: number): Outbox {
    const known = this.#outboxes.get(to);
    if (known !== undefined) return known;
    const { shard } = this.#deps;
    const id = shard.logId();
    const outbox = this.#open(to, id);
    shard.record(encodeOutboxOperation({ op: 'outbox.open', to, id }));
    outbox.askForLast();
    return outbox;
  }

  #open(to: number, id: number): Outbox {
    const { shard, links, limits = DEFAULT_LIMITS, metadata } = this.#deps;
    const link = links[to];
    if (link === undefined) throw shardMissing(to);
    shard.logId(id);
    const outbox = new Outbox(to, {
      shard,
      link,
      limits,
      metadata,
      openLog: (events) => shard.store.openLog(id, true, events),
      onRoom: () => this.#goOn(),
      onCorruption: () => this.#catchUp.endIsNearer(to),
    });
    this.#outboxes.set(to, outbox);
    return outbox;
  }

  /** Undefined for a shard that is not there any more. */
  #inboxFrom(from: number): Inbox | undefined {
    const { links, ...deps } = this.#deps;
    const link = links[from];
    const known = this.#inboxes.get(from);
    if (known !== undefined || link === undefined) return known;
    const inbox = new Inbox(from, {
      ...deps,
      link,
      outboxes: this,
      canSettle: (settlement) => this.#receiver(from).canSettle(from, settlement),
      settle: (settlement) => this.#receiver(from).settleRemotely(from, settlement),
      markers: () => this.#markerReceiver(from),
    });
    this.#inboxes.set(from, inbox);
    return inbox;
  }

  #receiver(from: number): SettlementReceiver {
    if (this.settlements !== null) return this.settlements;
    throw new Error(`shard ${from} settles a delivery, and nobody hands out messages to it`);
  }

  #markerReceiver(from: number): MarkerReceiver {
    if (this.markers !== null) return this.markers;
    throw new Error(`shard ${from} ends a transaction, and nobody here knows transactions`);
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const listener of waiting) listener();
  }
}
