import type { PolicyKind } from '../policies/operator-policy.ts';
import type { Policy } from '../policies/policy.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { Binding, Exchange } from '../topology/exchange.ts';
import type { TopologyObserver } from '../topology/topology-observer.ts';
import type { Events } from './events.ts';

/** The events of a virtual host's topology; names and fields are those of rabbitmq_event_exchange. */
export class TopologyEvents implements TopologyObserver<AnyQueue> {
  readonly #events: Events;
  readonly #vhost: string;
  readonly #isTold: boolean;

  /** `isTold`: false where another shard tells the same. */
  constructor(events: Events, vhost: string, isTold = true) {
    this.#isTold = isTold;
    this.#events = events;
    this.#vhost = vhost;
  }

  exchangeAdded({ name, type, durable, autoDelete, internal, arguments: args }: Exchange<AnyQueue>): void {
    this.#emit('exchange.created', {
      name,
      type: type.name,
      durable,
      auto_delete: autoDelete,
      internal,
      arguments: args,
    });
  }

  exchangeRemoved({ name }: Exchange<AnyQueue>): void {
    this.#emit('exchange.deleted', { name });
  }

  /** RabbitMQ has no event for that. */
  exchangeConfigured(): void {}

  queueAdded({ name, durable, autoDelete, exclusiveOwner, arguments: args }: AnyQueue): void {
    this.#emit('queue.created', {
      name,
      durable,
      auto_delete: autoDelete,
      exclusive: exclusiveOwner !== null,
      arguments: args,
    });
  }

  queueRemoved({ name }: AnyQueue): void {
    this.#emit('queue.deleted', { name });
  }

  bindingAdded(binding: Binding<AnyQueue>): void {
    this.#binding('binding.created', binding);
  }

  bindingRemoved(binding: Binding<AnyQueue>): void {
    this.#binding('binding.deleted', binding);
  }

  /** RabbitMQ has one name for both kinds; which it is, is told beside it. */
  policySet(kind: PolicyKind, { name, pattern, applyTo, priority, definition }: Policy): void {
    const operator = kind === 'operator-policy';
    this.#emit('policy.set', { name, pattern, 'apply-to': applyTo, priority, definition, operator });
  }

  policyCleared(kind: PolicyKind, name: string): void {
    this.#emit(kind === 'policy' ? 'policy.cleared' : 'operator.policy.cleared', { name });
  }

  #binding(
    event: string,
    { source, destination, destinationKind, routingKey, arguments: args }: Binding<AnyQueue>,
  ): void {
    this.#emit(event, {
      source_name: source.name,
      source_kind: 'exchange',
      destination_name: destination.name,
      destination_kind: destinationKind,
      routing_key: routingKey,
      arguments: args,
    });
  }

  #emit(
    name: string,
    fields: { readonly [field: string]: string | number | boolean | AnyQueue['arguments'] },
  ): void {
    if (this.#isTold) this.#events.emitByActor(name, { ...fields, vhost: this.#vhost });
  }
}
