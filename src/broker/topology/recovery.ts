import { finished, type Work } from '../../base/turn-time.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import { streamExchange } from '../exchanges/stream.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { RecoveryTarget } from './commands.ts';
import { type Binding, bindingIdentity, Exchange, isDurable } from './exchange.ts';
import type {
  BindingChanged,
  ExchangeDeclared,
  MetadataOperation,
  PolicyCleared,
  PolicySet,
  QueueDeclared,
  QueueDeleted,
} from './metadata.ts';
import { applyPolicyOperation, policyOperations } from './policy-commands.ts';
import type { OwnerNames } from './ports.ts';
import { isPredeclared } from './predeclared-exchanges.ts';
import type { TopologyState } from './state.ts';

/**
 * Does again what the journal says was done. What is in effect already is left alone; what contradicts the state is
 * an error, as it means that the journal is not what was written.
 */
export function applyOperation<Q extends TopologyQueue>(
  target: RecoveryTarget<Q>,
  operation: MetadataOperation,
): void {
  switch (operation.op) {
    case 'exchange.declare':
      declareExchange(target, operation);
      return;
    case 'exchange.delete': {
      const exchange = target.state.exchanges.get(operation.name);
      if (exchange !== undefined) target.state.removeExchange(exchange);
      return;
    }
    case 'queue.declare':
      declareQueue(target, operation);
      return;
    case 'queue.delete':
      deleteQueue(target, operation);
      return;
    case 'binding.add':
      addBinding(target, operation);
      return;
    case 'binding.remove': {
      const binding = target.state.exchanges.get(operation.source)?.outbound.get(identityOf(operation));
      if (binding !== undefined) target.state.removeBinding(binding);
      return;
    }
    case 'policy.set':
    case 'policy.clear':
    case 'operator-policy.set':
    case 'operator-policy.clear':
      finished(applyPolicyOperation(target.state, operation));
      return;
    case 'vhost.create':
    case 'vhost.delete':
      throw new Error(`'${operation.op}' is not an operation within a virtual host`);
  }
}

/** As `applyOperation`, for what takes the longer the more queues there are. */
export function* applyOperationInSteps<Q extends TopologyQueue>(
  target: RecoveryTarget<Q>,
  operation: MetadataOperation,
): Work<void> {
  if ('definition' in operation || operation.op.endsWith('policy.clear')) {
    yield* applyPolicyOperation(target.state, operation as PolicySet | PolicyCleared);
  } else applyOperation(target, operation);
}

function declareExchange<Q extends TopologyQueue>(
  { name: vhost, state, types, quotas }: RecoveryTarget<Q>,
  operation: ExchangeDeclared,
): void {
  const existing = state.exchanges.get(operation.name);
  if (existing === undefined) {
    const account = quotas.account(operation.user);
    state.addExchange(
      new Exchange({
        ...operation,
        durable: operation.transient !== true,
        type: types.get(operation.type),
        account,
      }),
    );
  } else if (existing.type === streamExchange) {
    // A stream that is there is first taken for what it mostly is; this is an exchange that remembers.
    const account = quotas.account(operation.user);
    const type = types.get(operation.type);
    const exchange = new Exchange<Q>({ ...operation, durable: true, type, account });
    exchange.stream = existing.stream;
    state.removeExchange(existing);
    state.addExchange(exchange);
  } else if (existing.type.name !== operation.type) {
    throw new Error(
      `the journal declares exchange '${operation.name}' in vhost '${vhost}' as ${operation.type}, ` +
        `but it is there as ${existing.type.name}`,
    );
  }
}

function declareQueue<Q extends TopologyQueue>(
  { name: vhost, state, createQueue, quotas, owners }: RecoveryTarget<Q>,
  operation: QueueDeclared,
): void {
  const existing = state.queues.get(operation.name);
  if (existing === undefined) {
    const { id, name, autoDelete, declaredBy, owner } = operation;
    state.addQueue(
      createQueue({
        id,
        vhost,
        name,
        shard: operation.shard ?? 0,
        durable: operation.transient !== true,
        exclusiveOwner: owner === undefined ? null : (owners?.ownerNamed(owner) ?? null),
        autoDelete,
        arguments: operation.arguments,
        declaredBy: declaredBy ?? null,
        account: quotas.account(operation.user),
      }),
    );
  } else if (existing.id !== operation.id) {
    throw new Error(
      `the journal declares queue '${operation.name}' in vhost '${vhost}' with id ${operation.id}, ` +
        `but it is there with id ${existing.id}`,
    );
  }
}

function deleteQueue<Q extends TopologyQueue>({ state }: RecoveryTarget<Q>, operation: QueueDeleted): void {
  const queue = state.queues.get(operation.name);
  if (queue === undefined || queue.id !== operation.id) return;
  state.removeQueue(queue);
  queue.remove();
}

function addBinding<Q extends TopologyQueue>(
  { name: vhost, state, quotas }: RecoveryTarget<Q>,
  operation: BindingChanged,
): void {
  const source = state.exchanges.get(operation.source);
  if (source === undefined) throw missing('exchange', operation.source, vhost);
  if (source.outbound.has(identityOf(operation))) return;
  const { routingKey, arguments: args } = operation;
  const account = quotas.account(operation.user);
  if (operation.destinationKind === 'queue') {
    const destination = state.queues.get(operation.destination);
    if (destination === undefined) throw missing('queue', operation.destination, vhost);
    state.addBinding({ destinationKind: 'queue', source, destination, routingKey, arguments: args, account });
  } else {
    const destination = state.exchanges.get(operation.destination);
    if (destination === undefined) throw missing('exchange', operation.destination, vhost);
    state.addBinding({
      destinationKind: 'exchange',
      source,
      destination,
      routingKey,
      arguments: args,
      account,
    });
  }
}

function identityOf(operation: BindingChanged): string {
  const { destinationKind, destination, routingKey, arguments: args } = operation;
  return bindingIdentity(destinationKind, destination, routingKey, args);
}

function missing(kind: string, name: string, vhost: string): Error {
  return new Error(`the journal binds ${kind} '${name}' in vhost '${vhost}', which is not there`);
}

/** Operations that make the durable part of a virtual host from an empty one: ends first, then bindings. */
export function snapshotOf<Q extends TopologyQueue>(
  vhost: string,
  state: TopologyState<Q>,
): MetadataOperation[] {
  // Policies first, so that everything is made with what is in force for it.
  const operations = policyOperations(vhost, state);
  for (const exchange of state.exchanges.values()) {
    // That of a stream comes with the stream.
    const isMade = exchange.durable && exchange.type !== streamExchange && !isPredeclared(exchange.name);
    if (isMade) operations.push(exchangeDeclared(vhost, exchange));
  }
  for (const queue of state.queues.values()) {
    if (queue.durable) operations.push(queueDeclared(vhost, queue));
  }
  for (const exchange of state.exchanges.values()) {
    for (const binding of exchange.outbound.values()) {
      if (isDurable(binding)) operations.push(bindingChanged('binding.add', vhost, binding));
    }
  }
  return operations;
}

export function exchangeDeclared<Q extends TopologyQueue>(
  vhost: string,
  exchange: Exchange<Q>,
): ExchangeDeclared {
  const { name, durable, autoDelete, internal, arguments: args, declaredBy, account } = exchange;
  return {
    op: 'exchange.declare',
    vhost,
    name,
    type: exchange.type.name,
    ...(durable ? {} : { transient: true }),
    autoDelete,
    internal,
    arguments: args,
    ...by(declaredBy),
    ...userOf(account),
  };
}

export function queueDeclared(
  vhost: string,
  queue: TopologyQueue,
  owners: OwnerNames | null = null,
): QueueDeclared {
  const {
    name,
    id,
    shard,
    durable,
    exclusiveOwner,
    autoDelete,
    arguments: args,
    declaredBy,
    account,
  } = queue;
  return {
    op: 'queue.declare',
    vhost,
    name,
    id,
    ...(shard === 0 ? {} : { shard }),
    ...(durable ? {} : { transient: true }),
    ...(exclusiveOwner === null || owners === null ? {} : { owner: owners.nameOf(exclusiveOwner) }),
    autoDelete,
    arguments: args,
    ...by(declaredBy),
    ...userOf(account ?? null),
  };
}

/** Of most nobody needs to be known. */
function by(user: string | null | undefined): { readonly declaredBy?: string } {
  return user == null ? {} : { declaredBy: user };
}

export function bindingChanged<Q extends TopologyQueue>(
  op: BindingChanged['op'],
  vhost: string,
  binding: Binding<Q>,
): BindingChanged {
  return {
    op,
    vhost,
    source: binding.source.name,
    destinationKind: binding.destinationKind,
    destination: binding.destination.name,
    routingKey: binding.routingKey,
    arguments: binding.arguments,
    ...userOf(binding.account ?? null),
  };
}

function userOf(account: ObjectAccount | null): { readonly user?: string } {
  const user = account?.openName ?? null;
  return user === null ? {} : { user };
}
