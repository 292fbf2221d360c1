import type { InternalMessages } from '../publishing/internal-messages.ts';
import type { ClientConnection } from './connection-info.ts';
import { MessageTracer } from './message-tracer.ts';

/**
 * Which virtual hosts are traced. As in RabbitMQ that ends with the process: nobody wants to find, weeks later, that a
 * broker copies all of its messages. Each connection is told its tracer, so that a message costs one look at a field.
 */
export class MessageTracing {
  readonly #connections: Iterable<ClientConnection>;
  readonly #messages: Pick<InternalMessages, 'post'>;
  readonly #tracers = new Map<string, MessageTracer>();

  constructor(connections: Iterable<ClientConnection>, messages: Pick<InternalMessages, 'post'>) {
    this.#connections = connections;
    this.#messages = messages;
  }

  /** What a connection in this virtual host begins with. */
  of(vhost: string): MessageTracer | null {
    return this.#tracers.get(vhost) ?? null;
  }

  set(vhost: string, isOn: boolean): void {
    if (isOn === this.#tracers.has(vhost)) return;
    if (isOn) this.#tracers.set(vhost, new MessageTracer(vhost, this.#messages));
    else this.#tracers.delete(vhost);
    const tracer = this.of(vhost);
    for (const connection of this.#connections) if (connection.vhost === vhost) connection.trace(tracer);
  }
}
