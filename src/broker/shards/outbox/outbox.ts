import type { Timer } from '../../../base/scheduler.ts';
import type { CorruptionError } from '../../../log/corruption.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../../log/memory/chunks.ts';
import type { QueueLog } from '../../../log/queues/queue-log.ts';
import type { LogEvents } from '../../../log/store.ts';
import { MessageView } from '../../../records/message-view.ts';
import { FRAME_OUTBOX_ASK, FRAME_OUTBOX_ENTRIES } from '../../doors/frame-kinds.ts';
import type { OutboxLink } from '../../doors/outbox-link.ts';
import type {
  OutboxEntrance,
  OutboxTarget,
  RemoteMarkers,
  RemoteRecord,
  RemoteSettlement,
} from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Pumped } from '../../shard/turn.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { EntrySizes } from './entry-sizes.ts';
import {
  encodeMarkersEntry,
  encodeMessageEntry,
  encodeRecordEntry,
  encodeSettlementsEntry,
} from './outbox-entry.ts';
import { ASK_BYTES, EntriesFrame, type OutboxAnswer } from './outbox-frames.ts';

/** What an outbox holds at most; one thing that is larger is taken when it is empty. */
export interface OutboxLimits {
  readonly entries: number;
  readonly bytes: number;
}

/** Sent, and not known to be durable at the other end. */
const WINDOW_ENTRIES = 4096;
const WINDOW_BYTES = 2 * 1024 * 1024;
/** Without any progress for so long, the other end is asked how far it is. */
const PATIENCE_MS = 1000;

const NOTHING = Buffer.alloc(0);

export interface OutboxDeps {
  readonly shard: Shard;
  readonly link: OutboxLink;
  readonly limits: OutboxLimits;
  openLog(events: LogEvents): QueueLog;
  readonly metadata: KnownMetadata;
  /** Something that was refused may have room now. */
  onRoom(): void;
  /** Nothing is sent any more. */
  onCorruption(): void;
}

/**
 * What leaves this shard for one other: a log, whose offsets are the ids of its entries.
 *
 *     head ............. next .............. heldFrom ........ log.end
 *     | sent, perhaps    | to be sent        | not durable     |
 *     | durable there    |                   | here            |
 */
export class Outbox implements OutboxEntrance, Pumped {
  pumpPending = false;
  readonly to: number;
  readonly log: QueueLog;
  /** Entries that could not be read back from their segment. */
  lost = 0;
  /** Why nothing is sent any more; null while that is not so. */
  corruption: CorruptionError | null = null;
  readonly #deps: OutboxDeps;
  readonly #logs: readonly QueueLog[];
  readonly #messageView = new MessageView();
  readonly #frame: EntriesFrame;
  readonly #ask = Buffer.alloc(ASK_BYTES);
  readonly #holds: number[] = [];
  /** In the order in which they began to wait, which is that of their ends, nearly. */
  #settling: { readonly end: number; readonly listener: () => void }[] = [];
  #sizes = new EntrySizes(0);
  /** The id that is sent next. */
  #next = 0;
  /** Of entries between the head of the log and `#next`. */
  #sentBytes = 0;
  #session: number;
  /** Whether the other end has said which entry it takes next, since this shard began: only then ids are given. */
  #isOpen = false;
  /** It was asked again, and has not answered. */
  #isAsking = false;
  #mustAsk = false;
  #isWaitingForRoom = false;
  #reservedEntries = 0;
  #reservedBytes = 0;
  #timer: Timer | null = null;
  #hasProgressed = false;
  #isStopped = false;

  constructor(to: number, deps: OutboxDeps) {
    this.to = to;
    this.#deps = deps;
    this.#frame = new EntriesFrame(deps.link.frameBytes);
    // Answers to what an earlier life has asked mean nothing.
    this.#session = deps.shard.store.epoch * 2 ** 20;
    this.log = deps.openLog({
      onLoaded: () => deps.shard.turn.pumpLater(this),
      onMissing: (offset) => this.#lose(offset),
      onCorruption: (error) => {
        this.corruption = error;
        deps.shard.log.error(
          { shard: to, path: error.path, offset: error.offset, what: error.what },
          'nothing is sent to another shard any more: a segment of what waits for it cannot be read',
        );
        deps.onCorruption();
      },
    });
    this.#logs = [this.log];
  }

  /** Entries that are not known to be durable at the other end. */
  get count(): number {
    const { acknowledged, head, end } = this.log;
    return acknowledged.missingIn(head, end);
  }

  /** The id behind the entries that can be sent. */
  get readableEnd(): number {
    return this.log.isCorrupt ? 0 : this.log.end;
  }

  /** Of these entries. */
  get bytes(): number {
    return this.#sizes.total;
  }

  beginReserving(): void {
    this.#reservedEntries = 0;
    this.#reservedBytes = 0;
  }

  /** Room for so many entries, beside what was reserved before. */
  reserve(entries: number, bytes: number): boolean {
    if (!this.#isOpen) return false;
    const { limits } = this.#deps;
    const count = this.count + this.#reservedEntries;
    const fits =
      count + entries <= limits.entries && this.#sizes.total + this.#reservedBytes + bytes <= limits.bytes;
    if (!fits && count > 0) return false;
    this.#reservedEntries += entries;
    this.#reservedBytes += bytes;
    return true;
  }

  append(
    target: OutboxTarget,
    messageView: MessageView,
    persistent: boolean,
    timestampMs: number,
    isPublished: boolean,
  ): void {
    this.#append(encodeMessageEntry(target, messageView, persistent, isPublished), timestampMs);
  }

  appendSettlements(settlements: readonly RemoteSettlement[], timestampMs: number): void {
    this.#append(encodeSettlementsEntry(settlements), timestampMs);
  }

  appendRecord(record: RemoteRecord, timestampMs: number): void {
    this.#append(encodeRecordEntry(record), timestampMs);
  }

  appendMarkers(markers: RemoteMarkers, timestampMs: number): void {
    this.#append(encodeMarkersEntry(markers), timestampMs);
  }

  whenSettled(end: number, listener: () => void): void {
    if (this.log.acknowledged.missingIn(this.log.head, end) === 0) listener();
    else this.#settling.push({ end, listener });
  }

  hold(offset: number): void {
    this.#holds.push(offset);
  }

  release(): void {
    this.#holds.shift();
    this.#deps.shard.turn.pumpLater(this);
  }

  /** The log is recovered. */
  recovered(): void {
    const { log } = this;
    const { chunks } = this.#deps.shard.store;
    const { head, end, tailStart } = log;
    this.#sizes = new EntrySizes(head);
    // What is in segments is not read for this.
    const average = tailStart > head ? Math.ceil((log.segments?.bytes ?? 0) / (tailStart - head)) : 0;
    for (let id = head; id < end; id++) {
      const position = id < tailStart ? -1 : log.positionOf(id);
      if (id < tailStart) this.#sizes.push(average);
      else this.#sizes.push(position < 0 ? 0 : chunks.contentLengthAt(position));
    }
    this.#next = head;
    this.askForLast();
  }

  /** The other end is there, perhaps anew: it is asked how far it is, and what it does not have is sent again. */
  askForLast(): void {
    this.#session++;
    this.#isAsking = true;
    this.#mustAsk = true;
    this.#wait();
    this.#deps.shard.turn.pumpLater(this);
  }

  answered(answer: OutboxAnswer): void {
    if (answer.session !== this.#session || this.#isStopped) return;
    const { next, stored, isAgain } = answer;
    if (!this.#isOpen) this.#open(next);
    this.#settle(stored);
    // Answers to what was sent until now mean nothing.
    if (isAgain && !this.#isAsking) this.#session++;
    if (this.#isAsking || isAgain || next > this.#next) this.#next = next;
    this.#isAsking = false;
    this.#sentBytes = this.#sizes.sum(this.log.head, this.#next);
    this.#deps.shard.turn.pumpLater(this);
  }

  /** From the turn: sends what is durable here, as far as the window goes. */
  pump(): void {
    if (this.#isStopped || this.#isWaitingForRoom) return;
    if (this.#mustAsk && !this.#sendAsk()) return;
    if (this.#isAsking) return;
    for (let to = this.#gather(); to > this.#next; to = this.#gather()) {
      if (!this.#send(FRAME_OUTBOX_ENTRIES, this.#frame.buffer, this.#frame.bytes)) return;
      this.#sent(to);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #append(entry: Buffer, timestampMs: number): void {
    const view = this.#messageView;
    view.content = entry;
    // Always journaled, so that no id is given twice.
    this.#deps.shard.store.append(this.#logs, this.#logs, true, view, timestampMs);
    view.content = null;
    this.#sizes.push(entry.length);
  }

  /** The other end takes `next` first: ids below are not given any more, though this shard may have forgotten that it has given them. */
  #open(next: number): void {
    this.#isOpen = true;
    const { log } = this;
    if (next > log.end) {
      this.#deps.shard.log.warn(
        { shard: this.to, ids: log.end, taken: next },
        'another shard has more messages of this one than this one remembers, as after a power cut without durability',
      );
      log.skipTo(next);
      this.#sizes.dropBelow(next);
    }
    this.#deps.onRoom();
  }

  /** Those below this id are durable at the other end. */
  #settle(stored: number): void {
    const { log } = this;
    const to = Math.min(stored, log.end);
    const { head } = log;
    for (let id = log.nextUnacknowledged(head); id < to; id = log.nextUnacknowledged(id + 1)) {
      if (id < log.tailStart) log.readAhead?.release(id);
      log.acknowledge(id);
    }
    this.#sizes.dropBelow(to);
    if (this.#next < to) this.#next = to;
    if (to <= head) return;
    this.#tellSettled(to);
    this.#hasProgressed = true;
    this.#deps.shard.turn.schedule();
    const { entries, bytes } = this.#deps.limits;
    if (this.count * 2 <= entries && this.#sizes.total * 2 <= bytes) this.#deps.onRoom();
  }

  #tellSettled(to: number): void {
    const settling = this.#settling;
    if (settling.length === 0) return;
    this.#settling = settling.filter(({ end }) => end > to);
    for (const { end, listener } of settling) if (end <= to) listener();
  }

  get #visibleEnd(): number {
    return this.#holds[0] ?? this.log.end;
  }

  /** Entries from `#next` on, for one frame. Returns the id behind them. */
  #gather(): number {
    const { log } = this;
    const { chunks } = this.#deps.shard.store;
    const frame = this.#frame;
    const end = this.#visibleEnd;
    let to = this.#next;
    let sentBytes = this.#sentBytes;
    frame.begin(this.#session, this.#deps.metadata.number, to);
    for (; to < end && this.#isWithinWindow(to, sentBytes); to++) {
      const position = log.isAcknowledged(to) ? -1 : log.positionOf(to);
      if (position >= 0) {
        const chunk = chunks.of(position);
        const at = position >>> 0;
        const length = frameContentBytes(chunk, at);
        if (!frame.hasRoomFor(length)) break;
        frame.add(frameTimestampMs(chunk, at), chunk.buffer, at + FRAME_HEADER_BYTES, length);
        sentBytes += length;
      } else if (log.isAcknowledged(to)) {
        if (!frame.hasRoomFor(0)) break;
        frame.add(0, NOTHING, 0, 0);
      } else {
        if (to === this.#next && !log.isCorrupt) log.readAhead?.load(to);
        break;
      }
    }
    frame.finish();
    return to;
  }

  #isWithinWindow(id: number, sentBytes: number): boolean {
    const sent = id - this.log.head;
    return sent <= 0 || (sent < WINDOW_ENTRIES && sentBytes < WINDOW_BYTES);
  }

  #sent(to: number): void {
    const { log } = this;
    this.#sentBytes += this.#sizes.sum(Math.max(log.head, this.#next), to);
    for (let id = this.#next; id < Math.min(to, log.tailStart); id++) log.readAhead?.release(id);
    this.#next = to;
    this.#wait();
  }

  #sendAsk(): boolean {
    this.#ask.writeDoubleLE(this.#session, 0);
    this.#mustAsk = !this.#send(FRAME_OUTBOX_ASK, this.#ask, ASK_BYTES);
    return !this.#mustAsk;
  }

  #send(kind: number, buffer: Buffer, bytes: number): boolean {
    const { link, shard } = this.#deps;
    if (link.send(kind, buffer, bytes)) return true;
    this.#isWaitingForRoom = true;
    link.whenRoom(() => {
      this.#isWaitingForRoom = false;
      shard.turn.pumpLater(this);
    });
    return false;
  }

  /** Something is to be answered. */
  #wait(): void {
    if (this.#timer !== null || this.#isStopped) return;
    this.#hasProgressed = false;
    this.#timer = this.#deps.shard.scheduler.after(PATIENCE_MS, () => {
      this.#timer = null;
      if (this.#isStopped || (!this.#isAsking && this.#next <= this.log.head)) return;
      if (this.#hasProgressed) this.#wait();
      else this.askForLast();
    });
  }

  /** The entry should be in a segment and is not: its corrupt batch was cut off. */
  #lose(id: number): void {
    if (this.log.isAcknowledged(id)) return;
    this.lost++;
    this.log.acknowledge(id);
    this.#deps.shard.log.error(
      { shard: this.to, id },
      'a message on its way to another shard is lost: its segment was cut',
    );
  }
}
