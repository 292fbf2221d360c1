import { withClientTexts } from '../../base/client-text.ts';
import type { Clock } from '../../base/clock.ts';
import type { Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { InternalMessages } from '../publishing/internal-messages.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import { eventExchangeName, eventVhostName } from '../topology/predeclared-exchanges.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';

/** Something that happened in the broker, at the time when it did. */
export interface BrokerEvent {
  /** As rabbitmq_event_exchange names it: `queue.created`. It is the routing key of the event's message. */
  readonly name: string;
  readonly timeMs: number;
  readonly fields: Table;
}

export interface EventDeps {
  readonly clock: Clock;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly messages: Pick<InternalMessages, 'post'>;
}

/** RabbitMQ's name for the broker itself, as the actor of what no user asked for. */
export const INTERNAL_USER = 'rmq-internal';

const NO_BODY = Buffer.alloc(0);

/**
 * What happens in the broker, told to whoever listens: clients that have bound a queue to `amq.rabbitmq.event`, and
 * parts of this process. Without any of them an event costs the look for them. Publishing an event is no event, nor
 * is anything that a message does on its way: an event cannot lead to another.
 */
export class Events {
  /**
   * On whose behalf things happen now. Whoever carries out a user's command sets it first, and sets it back to
   * `INTERNAL_USER` when it is done; commands never wait in between.
   */
  actor: string = INTERNAL_USER;
  /** While the broker recovers, nothing happens: it is only found out what had. */
  isOn = false;
  readonly #deps: EventDeps;
  readonly #listeners = new Set<(event: BrokerEvent) => void>();

  constructor(deps: EventDeps) {
    this.#deps = deps;
  }

  /** Whether anybody listens: for callers to whom the fields are work. */
  get isHeard(): boolean {
    return this.isOn && (this.#listeners.size > 0 || this.#isBound());
  }

  /** Texts of clients are cut: what a client sends once would go to each that listens. */
  emit(name: string, given: Table): void {
    if (!this.isHeard) return;
    const fields = withClientTexts(given);
    const timeMs = this.#deps.clock.now();
    const event = { name, timeMs, fields };
    for (const listener of this.#listeners) listener(event);
    if (!this.#isBound()) return;
    this.#deps.messages.post({
      vhost: eventVhostName,
      exchange: eventExchangeName,
      routingKey: name,
      headers: { ...fields, timestamp_in_ms: timeMs },
      body: NO_BODY,
      timestampMs: timeMs,
    });
  }

  /** As `emit`, with the user on whose behalf it happens. */
  emitByActor(name: string, fields: Table): void {
    if (this.isHeard) this.emit(name, { ...fields, user_who_performed_action: this.actor });
  }

  /** Runs something that does not wait, on behalf of this user. */
  as<T>(actor: string, run: () => T): T {
    const before = this.actor;
    this.actor = actor;
    try {
      return run();
    } finally {
      this.actor = before;
    }
  }

  /** The steps of the work are this user's, and what happens between them is not. */
  *inSteps<T>(actor: string, work: Work<T>): Work<T> {
    for (;;) {
      const step = this.as(actor, () => work.next());
      if (step.done === true) return step.value;
      yield step.value;
    }
  }

  /** Called for each event from now on, at once and within what brings it about. Returns how to stop that. */
  listen(listener: (event: BrokerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #isBound(): boolean {
    const vhost = this.#deps.vhosts.get(eventVhostName);
    return vhost !== undefined && vhost.checkExchange(eventExchangeName).outbound.size > 0;
  }
}
