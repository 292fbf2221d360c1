import { parseContent } from '../../records/message-view.ts';
import { FRAME_STORED } from '../doors/frame-kinds.ts';
import {
  aligned,
  FLAG_EXPIRES,
  FLAG_PERSISTENT,
  MESSAGE_FLAGS_AT,
  MESSAGE_HEAD_BYTES,
  MESSAGE_PRIORITY_AT,
  MESSAGE_QUEUES_AT,
  PUBLISH_HEAD_BYTES,
  QUEUE_ID_BYTES,
  SEQUENCE_BYTES,
} from '../doors/publish-frames.ts';
import type { FrameReceiver } from '../doors/ring-reader.ts';
import type { ShardLink } from '../doors/shard-link.ts';
import type { SharedRoom } from '../doors/shared-room.ts';
import type { RefusedMessages } from '../publishing/admission.ts';
import { Publisher, REFUSED } from '../publishing/publisher.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { DurableListener, Shard } from '../shard/shard.ts';
import type { Pumped } from '../shard/turn.ts';
import type { Route } from '../topology/route.ts';
import { InboundRoutes, type LocalQueues } from './inbound-routes.ts';
import type { KnownMetadata } from './known-metadata.ts';

export interface PublishInDeps {
  readonly shard: Shard;
  readonly room: SharedRoom;
  readonly link: ShardLink;
  readonly refused: RefusedMessages;
  readonly queues: LocalQueues;
  readonly metadata: KnownMetadata;
}

/** Refused messages in one frame. */
const REFUSED_MAX = 1000;

/** Messages of one other shard for queues of this one. They are taken as those of a channel are. */
export class PublishIn implements FrameReceiver, Pumped, DurableListener {
  pumpPending = false;
  readonly #deps: PublishInDeps;
  readonly #shard: Shard;
  readonly #publisher: Publisher;
  readonly #routes: InboundRoutes;
  /** Number of the last message that came. */
  #last = 0;
  /** Blocks that are awaited, and the last message that each stands for. */
  readonly #blocks: number[] = [];
  readonly #lasts: number[] = [];
  /** The last message that is safe with all before it, and the last of which the other shard was told. */
  #stored = 0;
  #told = 0;
  readonly #refused: number[] = [];
  /** For room in the ring. */
  #isWaiting = false;
  readonly #onRoom = (): void => {
    this.#isWaiting = false;
    this.pump();
  };
  /** Frames that cannot be taken yet: as many as the other shard sends before it waits. */
  readonly #held: Buffer[] = [];
  /** Queues whose publishers were told to wait. */
  readonly #paused = new Set<number>();

  constructor(deps: PublishInDeps) {
    this.#deps = deps;
    this.#shard = deps.shard;
    this.#publisher = new Publisher(deps.shard, deps.refused);
    this.#routes = new InboundRoutes(deps.queues);
  }

  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.#held.length > 0 || this.#mustHold(buffer, start)) this.#hold(buffer, start, end);
    else this.#take(buffer, start, end);
    this.#shard.turn.received(end - start);
    return true;
  }

  /** While publishers are blocked, and while the queues of the message may not be known here yet. */
  #mustHold(buffer: Buffer, start: number): boolean {
    return this.#shard.alarms.isBlocking || buffer.readDoubleLE(start) > this.#deps.metadata.number;
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const copy = Buffer.allocUnsafe(end - start);
    buffer.copy(copy, 0, start, end);
    this.#held.push(copy);
    if (this.#held.length === 1) this.#waitWith(copy);
  }

  #waitWith(frame: Buffer): void {
    const { alarms } = this.#shard;
    const takeHeld = (): void => this.#takeHeld();
    if (alarms.isBlocking) alarms.whenCleared(takeHeld);
    else this.#deps.metadata.whenKnown(frame.readDoubleLE(0), takeHeld);
  }

  #takeHeld(): void {
    const held = this.#held;
    while (held.length > 0) {
      const frame = held[0];
      if (this.#mustHold(frame, 0)) {
        this.#waitWith(frame);
        return;
      }
      held.shift();
      this.#take(frame, 0, frame.length);
    }
  }

  #take(buffer: Buffer, start: number, end: number): void {
    for (let at = start + PUBLISH_HEAD_BYTES; at < end; ) {
      const bytes = buffer.readUInt32LE(at);
      this.#last++;
      this.#came(this.#publish(buffer, at, at + bytes));
      at += aligned(bytes);
    }
    this.#publisher.messageView.clear();
    this.#shard.turn.schedule();
  }

  /** Returns the wait. */
  #publish(buffer: Buffer, at: number, end: number): number {
    const count = buffer.readUInt32LE(at + MESSAGE_QUEUES_AT);
    const idsAt = at + MESSAGE_HEAD_BYTES;
    const route = this.#routes.find(buffer, idsAt, count);
    // Its queues were deleted meanwhile.
    if (route === null) return 0;
    const publisher = this.#publisher;
    const { messageView } = publisher;
    const flags = buffer[at + MESSAGE_FLAGS_AT];
    messageView.content = buffer;
    messageView.contentStart = idsAt + QUEUE_ID_BYTES * count;
    messageView.contentEnd = end;
    messageView.ttlMs = (flags & FLAG_EXPIRES) === 0 ? -1 : 0;
    messageView.priority = buffer[at + MESSAGE_PRIORITY_AT];
    if (isGuarded(route.queues)) this.#parse(buffer, messageView.contentStart, end);
    const wait = publisher.publish(route, (flags & FLAG_PERSISTENT) !== 0);
    if (publisher.mustPause) this.#pause(route);
    return wait;
  }

  /** A queue that may refuse it looks at its properties. */
  #parse(buffer: Buffer, start: number, end: number): void {
    parseContent(buffer.subarray(start, end), this.#publisher.messageView);
  }

  /** A message has this wait. */
  #came(wait: number): void {
    const blocks = this.#blocks;
    if (wait === REFUSED) this.#refused.push(this.#last);
    const block = Math.max(wait, 0);
    const newest = blocks.length - 1;
    if (newest < 0 && (block === 0 || this.#shard.isDurable(block))) {
      this.#stored = this.#last;
      this.#tellLater();
    } else if (newest >= 0 && block <= blocks[newest]) {
      this.#lasts[newest] = this.#last;
    } else {
      blocks.push(block);
      this.#lasts.push(this.#last);
      this.#shard.whenDurable(block, this);
    }
  }

  onDurable(block: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0] <= block) {
      this.#blocks.shift();
      this.#stored = this.#lasts.shift() ?? this.#stored;
    }
    this.#tellLater();
  }

  #tellLater(): void {
    if (!this.pumpPending) this.#shard.turn.pumpLater(this);
  }

  /** From the turn: tells the other shard how far it is. */
  pump(): void {
    while (this.#told < this.#stored && !this.#isWaiting) this.#tell();
  }

  #tell(): void {
    const refused = this.#refused;
    let count = 0;
    while (count < refused.length && count < REFUSED_MAX && refused[count] <= this.#stored) count++;
    const upTo = count === REFUSED_MAX ? refused[count - 1] : this.#stored;
    const { room } = this.#deps;
    const { door } = room;
    const bytes = SEQUENCE_BYTES * (1 + count);
    const at = room.reserve(bytes);
    if (at === -1) {
      this.#isWaiting = true;
      room.whenRoom(this.#onRoom);
      return;
    }
    this.#told = upTo;
    door.view.setFloat64(at, upTo, true);
    for (let i = 0; i < count; i++) door.view.setFloat64(at + SEQUENCE_BYTES * (1 + i), refused[i], true);
    refused.splice(0, count);
    door.finish(FRAME_STORED, bytes);
  }

  /** Publishers of the other shard to these queues wait until there is room. */
  #pause(route: Route<AnyQueue>): void {
    const ids = route.queues.map(({ id }) => id).filter((id) => !this.#paused.has(id));
    if (ids.length === 0) return;
    for (const id of ids) this.#paused.add(id);
    this.#deps.link.tell({ op: 'queues.pause', ids });
    this.#publisher.onResume(() => {
      for (const id of ids) this.#paused.delete(id);
      this.#deps.link.tell({ op: 'queues.resume', ids });
    });
  }
}

function isGuarded(queues: readonly AnyQueue[]): boolean {
  for (let i = 0; i < queues.length; i++) if (queues[i].isGuarded) return true;
  return false;
}
