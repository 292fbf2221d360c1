import type { Timer } from '../../../base/scheduler.ts';
import { FRAME_OUTBOX_END, FRAME_OUTBOX_HELLO } from '../../doors/frame-kinds.ts';
import type { OutboxLink } from '../../doors/outbox-link.ts';
import type { Shard } from '../../shard/shard.ts';
import { END_BYTES, HELLO_BYTES, readEnd, writeEnd, writeHello } from './outbox-frames.ts';

/** A shard that has not answered for so long is asked again. */
const PATIENCE_MS = 1000;
/** How long queues wait at most: a full disk may keep entries in their shard, and consumers from freeing space. */
const WAIT_MS_MAX = 10_000;

/** What is known of one other shard. */
class Peer {
  readonly link: OutboxLink;
  /** What it had for this shard when it was asked ends before this id; null until it has said so. */
  end: number | null = null;
  isCaughtUp = false;
  isGreeting = false;
  /** Its last start that has asked what there is for it; 0 if there was none. */
  epoch = 0;

  constructor(link: OutboxLink) {
    this.link = link;
  }
}

export interface CatchUpDeps {
  readonly shard: Shard;
  readonly links: readonly (OutboxLink | undefined)[];
  /** The id that is taken next from this shard. */
  nextFrom(peer: number): number;
  /** The id below which this shard has entries for that one, and can read them. */
  endFor(peer: number): number;
}

/**
 * A shard that starts asks each other one what that has for it, and delivers nothing before it has taken that: among it are
 * settlements of messages which it would deliver again.
 *
 *     hello {epoch} ──▶        and ◀── end {epoch, id}, ◀── entries ... until what is taken next is `id`
 */
export class CatchUp {
  readonly #deps: CatchUpDeps;
  readonly #peers: readonly (Peer | undefined)[];
  readonly #frame = Buffer.alloc(END_BYTES);
  #missing = 0;
  #timer: Timer | null = null;
  #limit: Timer | null = null;

  constructor(deps: CatchUpDeps) {
    this.#deps = deps;
    this.#peers = deps.links.map((link) => (link === undefined ? undefined : new Peer(link)));
  }

  begin(): void {
    this.#missing = this.#peers.filter((peer) => peer !== undefined).length;
    if (this.#missing === 0) return;
    this.#deps.shard.deliveryGate.isClosed = true;
    if (!this.#deps.shard.isHeld)
      this.#limit = this.#deps.shard.scheduler.after(WAIT_MS_MAX, () => this.#giveUp());
    this.#greetAll();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#limit?.cancel();
  }

  /** The other shard has begun, or asks again. */
  greeted(number: number, buffer: Buffer, start: number, end: number): void {
    const peer = this.#peers[number];
    if (peer === undefined) return;
    if (end - start >= HELLO_BYTES) {
      peer.epoch = buffer.readDoubleLE(start);
      this.#tellEnd(number, peer);
    }
    // It was not there yet when it was asked.
    if (peer.end === null) this.#greet(peer);
  }

  answered(number: number, buffer: Buffer, start: number): void {
    const peer = this.#peers[number];
    const { epoch, end } = readEnd(buffer, start);
    // An answer to an earlier life of this shard may say less than there is by now.
    if (peer === undefined || epoch !== this.#deps.shard.store.epoch) return;
    peer.end = Math.min(end, peer.end ?? Number.POSITIVE_INFINITY);
    this.progressed(number);
  }

  /** Entries of that shard were taken. */
  progressed(number: number): void {
    const peer = this.#peers[number];
    if (peer === undefined || peer.isCaughtUp || peer.end === null) return;
    if (this.#deps.nextFrom(number) < peer.end) return;
    peer.isCaughtUp = true;
    if (--this.#missing === 0) this.#end();
  }

  #giveUp(): void {
    const missing = this.#peers.flatMap((peer, number) => (peer?.isCaughtUp === false ? [number] : []));
    this.#deps.shard.log.warn(
      { shards: missing, waitedMs: WAIT_MS_MAX },
      'messages are delivered before all that was on its way from other shards is here: some that were acknowledged in a transaction may come again',
    );
    this.#missing = 0;
    this.#end();
  }

  #end(): void {
    const { deliveryGate, turn } = this.#deps.shard;
    this.stop();
    for (const peer of this.#peers) if (peer !== undefined) peer.isCaughtUp = true;
    deliveryGate.open(turn);
  }

  /** Some of what there was for this shard cannot be read any more: it is not to wait for that. */
  endIsNearer(number: number): void {
    const peer = this.#peers[number];
    if (peer !== undefined && peer.epoch > 0) this.#tellEnd(number, peer);
  }

  #tellEnd(number: number, peer: Peer): void {
    writeEnd(this.#frame, { epoch: peer.epoch, end: this.#deps.endFor(number) });
    if (!peer.link.send(FRAME_OUTBOX_END, this.#frame, END_BYTES))
      peer.link.whenRoom(() => this.#tellEnd(number, peer));
  }

  #greetAll(): void {
    for (const peer of this.#peers) if (peer?.end === null) this.#greet(peer);
    if (this.#missing === 0) return;
    this.#timer = this.#deps.shard.scheduler.after(PATIENCE_MS, () => this.#greetAll());
  }

  #greet(peer: Peer): void {
    if (peer.isGreeting) return;
    writeHello(this.#frame, this.#deps.shard.store.epoch);
    if (peer.link.send(FRAME_OUTBOX_HELLO, this.#frame, HELLO_BYTES)) return;
    peer.isGreeting = true;
    peer.link.whenRoom(() => {
      peer.isGreeting = false;
      this.#greet(peer);
    });
  }
}
