import type { InternalMessages } from '../publishing/internal-messages.ts';
import type { Session } from './connection-info.ts';
import { Tracer } from './message-tracer.ts';

/**
 * Which virtual hosts are traced. As in RabbitMQ that ends with the process: nobody wants to find, weeks later, that a
 * broker copies all of its messages. Each session is told its tracer, so that a message costs one look at a field.
 */
export class Tracing {
  readonly #sessions: Iterable<Session>;
  readonly #messages: Pick<InternalMessages, 'post'>;
  readonly #tracers = new Map<string, Tracer>();

  constructor(sessions: Iterable<Session>, messages: Pick<InternalMessages, 'post'>) {
    this.#sessions = sessions;
    this.#messages = messages;
  }

  /** What a session in this virtual host begins with. */
  of(vhost: string): Tracer | null {
    return this.#tracers.get(vhost) ?? null;
  }

  set(vhost: string, isOn: boolean): void {
    if (isOn === this.#tracers.has(vhost)) return;
    if (isOn) this.#tracers.set(vhost, new Tracer(vhost, this.#messages));
    else this.#tracers.delete(vhost);
    const tracer = this.of(vhost);
    for (const session of this.#sessions) if (session.vhost === vhost) session.trace(tracer);
  }
}
