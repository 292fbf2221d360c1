import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { Store } from '../../log/store.ts';
import { MessageView } from '../../records/message-view.ts';
import type { Broker } from '../broker.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { Route } from '../topology/route.ts';
import { type Admission, admit } from './admission.ts';
import { sendReplies } from './direct-reply-sender.ts';
import { type Targets, targetsIn, targetsOf } from './route-targets.ts';

/** What `publish` returns if a queue refused the message. */
export const REFUSED = -1;

const NO_LOGS: readonly QueueLog[] = [];

/** How messages come into the broker, one after the other: one for each channel, session or stream of requests. */
export class Publisher {
  readonly messageView = new MessageView();
  readonly #broker: Broker;
  readonly #store: Store;
  #route: Route<Queue> | null = null;
  #targets: Targets | null = null;
  /** Where the last message went. */
  #logs: readonly QueueLog[] = NO_LOGS;

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#store = broker.store;
  }

  /**
   * Copies the message described by `parts` and hands it to the queues of the route. Returns the number of the
   * journal block that has to be durable before the message may be confirmed; 0 if there is nothing to wait for;
   * REFUSED if one of the queues is full: the others have it nevertheless.
   */
  publish(route: Route<Queue>, persistent: boolean): number {
    if (route !== this.#route) {
      this.#route = route;
      this.#targets = targetsOf(route);
      this.#logs = this.#targets.logs;
      // Such a route is made anew for each message, so that all others need not be asked.
      if (route.replies.length > 0) sendReplies(route.replies, this.messageView);
    }
    const targets = this.#targets as Targets;
    if (!targets.isPlain) return this.#publishWithCare(route, targets, persistent);
    return this.#append(targets, persistent);
  }

  #append(targets: Targets, persistent: boolean): number {
    const { lanes } = targets;
    if (lanes.length === 0) return 0;
    const store = this.#store;
    const { messageView } = this;
    const journaled = store.append(
      targets.logs,
      targets.durableLogs,
      persistent,
      messageView,
      this.#broker.turn.nowMs,
    );
    const bodyBytes = messageView.bodyEnd - messageView.bodyStart;
    for (let i = 0; i < lanes.length; i++) (lanes[i] as PriorityLevel).published(bodyBytes);
    if (messageView.ttlMs >= 0) for (const { queue } of lanes) queue.messagesExpire();
    return journaled ? store.journal.blockNumber : 0;
  }

  /** To streams, to queues with priorities, and to those that may refuse a message or have seen it before. */
  #publishWithCare(route: Route<Queue>, targets: Targets, persistent: boolean): number {
    const inStreams = route.streams.length === 0 ? 0 : this.#appendToStreams(route);
    const inQueues = route.queues.length === 0 ? 0 : this.#publishToQueues(route, targets, persistent);
    return inQueues === REFUSED ? REFUSED : Math.max(inStreams, inQueues);
  }

  /** They are durable, whatever the message is. */
  #appendToStreams(route: Route<Queue>): number {
    let block = 0;
    for (const stream of route.streams)
      block = stream.append(this.messageView, this.#broker.turn.nowMs, true);
    return block;
  }

  #publishToQueues(route: Route<Queue>, targets: Targets, persistent: boolean): number {
    const { messageView } = this;
    if (!targets.isGuarded) {
      const chosen = targetsOf(route, messageView.priority);
      this.#logs = chosen.logs;
      return this.#append(chosen, persistent);
    }
    const admission = admit(route.queues, messageView, this.#broker, persistent);
    const admitted = targetsIn(admission.queues, messageView.priority);
    const block =
      admission.seen.length > 0
        ? this.#appendSeen(admitted, persistent, admission)
        : this.#append(admitted, persistent);
    this.#logs = admitted.logs;
    if (admission.isRefused) return REFUSED;
    return admission.isKnown ? this.#broker.undurableBlock : block;
  }

  /** The message and the memory of it in one block: after a crash there are both or neither. */
  #appendSeen(targets: Targets, persistent: boolean, { seen }: Admission): number {
    const { journal } = this.#store;
    let bytes = 0;
    for (const each of seen) bytes += each.journalBytes;
    journal.beginAtomic(
      bytes + Math.ceil(this.messageView.contentBytes() / 8) * 8 + 64 + 16 * targets.logs.length,
    );
    for (const each of seen) each.remember();
    const block = this.#append(targets, persistent);
    journal.endAtomic();
    return block;
  }

  /** Whether the source of these messages should not be read for now: it fills memory faster than it is emptied. */
  get mustPause(): boolean {
    return this.#targets !== null && this.#broker.backPressure.mustPause(this.#logs);
  }

  /** `listener` is called once, as soon as it may go on. */
  onResume(listener: () => void): void {
    this.#broker.backPressure.onResume(this.#logs, listener);
  }
}
