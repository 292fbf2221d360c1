import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { Store } from '../../log/store.ts';
import { MessageView } from '../../records/message-view.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { RemoteTarget } from '../shard/remote-publishing.ts';
import type { Shard } from '../shard/shard.ts';
import type { Turn } from '../shard/turn.ts';
import { REFUSED } from '../shard/waits.ts';
import type { Route } from '../topology/route.ts';
import { type Admission, admit, type RefusedMessages } from './admission.ts';
import { AtomicAppend, appendBytesMax, appendToQueues } from './atomic-append.ts';
import { sendReplies } from './direct-reply-sender.ts';
import { type RouteTargets, targetsIn, targetsOf } from './route-targets.ts';

/** The wait that `publish` returns if a queue refused the message. */
export { REFUSED };

const NO_LOGS: readonly QueueLog[] = [];
const NO_REMOTES: readonly RemoteTarget[] = [];

/** How messages come into the broker, one after the other: one for each channel, session or stream of requests. */
export class Publisher {
  readonly messageView = new MessageView();
  readonly #shard: Shard;
  readonly #store: Store;
  readonly #turn: Turn;
  readonly #refused: RefusedMessages;
  #route: Route<AnyQueue> | null = null;
  #targets: RouteTargets | null = null;
  /** Where the last message went. */
  #logs: readonly QueueLog[] = NO_LOGS;
  #remotes: readonly RemoteTarget[] = NO_REMOTES;
  /** The other shards that got records of it. */
  #recordShards: number[] = [];
  /** By stream of the route: whether the record that was written goes to another shard. */
  readonly #isWrittenAway: boolean[] = [];
  /** Whether somebody waits for what `publish` returns. */
  isAwaited = true;

  constructor(shard: Shard, refused: RefusedMessages) {
    this.#shard = shard;
    this.#store = shard.store;
    this.#turn = shard.turn;
    this.#refused = refused;
  }

  /**
   * Copies the message that `messageView` describes and hands it to the queues of the route. Returns the wait that has to
   * be over before the message may be confirmed (see `Waits`): a block of the journal; 0 if there is nothing to wait for;
   * REFUSED if one of the queues is full: the others have it nevertheless; or a token. Who waits for none of them gives it
   * to `Waits.forget`.
   */
  publish(route: Route<AnyQueue>, persistent: boolean): number {
    if (route !== this.#route) {
      this.#route = route;
      this.#targets = targetsOf(route);
      this.#logs = this.#targets.logs;
      this.#remotes = NO_REMOTES;
      this.#recordShards.length = 0;
      // Such a route is made anew for each message, so that all others need not be asked.
      if (route.directReplies.length > 0) sendReplies(route.directReplies, this.messageView);
    }
    const targets = this.#targets as RouteTargets;
    if (!targets.isPlain) return this.#publishWithCare(route, targets, persistent);
    return this.#append(targets, persistent);
  }

  #append(targets: RouteTargets, persistent: boolean): number {
    if (targets.levels.length === 0) return 0;
    const { messageView } = this;
    const store = this.#store;
    const journaled = appendToQueues(
      store,
      targets,
      messageView,
      persistent,
      this.#turn.nowMs,
      messageView.ttlMs >= 0,
    );
    return journaled ? store.journal.blockNumber : 0;
  }

  /** To streams, to queues with priorities, and to those that may refuse a message or have seen it before. */
  #publishWithCare(route: Route<AnyQueue>, targets: RouteTargets, persistent: boolean): number {
    const { remotes } = targets;
    // All of them take it, or none does.
    const shards = this.#writeRecords(route);
    const elsewhere = remotes.length + shards.length;
    // Before anything is appended: there may be too many who wait.
    const token = elsewhere > 0 && this.isAwaited ? this.#shard.waits.take(elsewhere + 1) : 0;
    const inStreams = route.streams.length === 0 ? 0 : this.#appendRecords(route, token);
    const inQueues = route.queues.length === 0 ? 0 : this.#publishToQueues(route, targets, persistent);
    const own = inQueues === REFUSED ? REFUSED : Math.max(inStreams, inQueues);
    return elsewhere === 0 ? own : this.#publishFar(remotes, persistent, token, own);
  }

  /** Returns the other shards that some of them go to. */
  #writeRecords({ streams }: Route<AnyQueue>): readonly number[] {
    const shards = this.#recordShards;
    shards.length = 0;
    for (let i = 0; i < streams.length; i++) {
      const shard = streams[i].write(this.messageView, true);
      if (shard >= 0) shards.push(shard);
      this.#isWrittenAway[i] = shard >= 0;
    }
    return shards;
  }

  /** To queues of other shards; `own` is what the part of this one waits for. */
  #publishFar(remotes: readonly RemoteTarget[], persistent: boolean, token: number, own: number): number {
    const { waits, remotePublishing } = this.#shard;
    this.#remotes = remotes;
    if (remotes.length > 0) remotePublishing?.publish(remotes, this.messageView, persistent, token);
    if (token === 0) return own;
    if (own <= 0) waits.answered(token, own === REFUSED);
    else waits.answeredWhenDurable(token, own);
    return token;
  }

  /** They are durable, whatever the message is. Those of other shards answer a part of the token, if there is one. */
  #appendRecords({ streams }: Route<AnyQueue>, token: number): number {
    let block = 0;
    for (let i = 0; i < streams.length; i++) {
      if (this.#isWrittenAway[i]) {
        streams[i].send(token);
        continue;
      }
      streams[i].append(this.#turn.nowMs);
      block = this.#store.journal.blockNumber;
    }
    return block;
  }

  #publishToQueues(route: Route<AnyQueue>, targets: RouteTargets, persistent: boolean): number {
    const { messageView } = this;
    if (!targets.needsAdmission) {
      const chosen = targetsOf(route, messageView.priority);
      this.#logs = chosen.logs;
      return this.#append(chosen, persistent);
    }
    const admission = admit(route.queues, messageView, this.#shard, this.#refused, persistent);
    const admitted = targetsIn(admission.queues, messageView.priority);
    const block =
      admission.seen.length > 0
        ? this.#appendSeen(admitted, persistent, admission)
        : this.#append(admitted, persistent);
    this.#logs = admitted.logs;
    if (admission.isRefused) return REFUSED;
    return admission.isKnown ? this.#shard.undurableBlock : block;
  }

  /** The message and its name for deduplication in one block: after a crash there are both or neither. */
  #appendSeen(targets: RouteTargets, persistent: boolean, { seen }: Admission): number {
    let bytes = appendBytesMax(targets.logs.length, 0, this.messageView.contentBytes());
    for (const each of seen) bytes += each.journalBytes;
    const atomic = new AtomicAppend(this.#shard);
    atomic.begin(bytes);
    const block = this.#append(targets, persistent);
    for (const each of seen) each.remember();
    atomic.end();
    return block;
  }

  /** Whether the source of these messages should not be read for now: it fills memory faster than it is emptied. */
  get mustPause(): boolean {
    if (this.#targets === null) return false;
    return this.#shard.backPressure.mustPause(this.#logs) || this.#mustPauseFar || this.#mustPauseRecords;
  }

  get #mustPauseFar(): boolean {
    return this.#remotes.length > 0 && this.#shard.remotePublishing?.mustPause(this.#remotes) === true;
  }

  get #mustPauseRecords(): boolean {
    const shards = this.#recordShards;
    return shards.length > 0 && this.#shard.remoteAppends?.mustPause(shards) === true;
  }

  /** `listener` is called once, as soon as it may go on. */
  onResume(listener: () => void): void {
    const { remotePublishing, remoteAppends, backPressure } = this.#shard;
    if (this.#mustPauseFar) remotePublishing?.onResume(this.#remotes, listener);
    else if (this.#mustPauseRecords) remoteAppends?.onResume(this.#recordShards, listener);
    else backPressure.onResume(this.#logs, listener);
  }
}
