import type { Work } from '../../base/turn-time.ts';
import { BrokerError } from '../errors.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';
import { type ActivePolicy, type Policy, type PolicyRequest, validPolicy } from '../policies/policy.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { configureExchange, configureQueue, kindOf } from './apply-policies.ts';
import type { CommandContext } from './commands.ts';
import type { MetadataOperation, PolicyCleared, PolicySet } from './metadata.ts';
import type { TopologyState } from './state.ts';

/** In force, for all that there is, when the work is done; for what is new, from its first step on. */
export function* setPolicy<Q extends TopologyQueue>(
  { name: vhost, state, log, quotas }: CommandContext<Q>,
  kind: PolicyKind,
  request: PolicyRequest,
): Work<Policy> {
  const policy = validPolicy(request, kind);
  quotas.admitWrite();
  if (!state.policies.has(kind, policy.name)) quotas.admit('policies', null, vhost);
  log.append(policySet(vhost, kind, policy));
  yield* putInForce(state, state.setPolicy(kind, policy));
  state.observer?.policySet(kind, policy);
  return policy;
}

export function* clearPolicy<Q extends TopologyQueue>(
  { name: vhost, state, log }: CommandContext<Q>,
  kind: PolicyKind,
  name: string,
): Work<void> {
  if (!state.policies.has(kind, name)) {
    throw new BrokerError('not-found', `no ${kind.replace('-', ' ')} '${name}' in vhost '${vhost}'`);
  }
  log.append({ op: `${kind}.clear`, vhost, name });
  yield* putInForce(state, state.clearPolicy(kind, name));
  state.observer?.policyCleared(kind, name);
}

/** Does again what the journal says was done, in steps. */
export function applyPolicyOperation<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  operation: PolicySet | PolicyCleared,
): Work<void> {
  const kind = operation.op.startsWith('operator-') ? 'operator-policy' : 'policy';
  if (!('pattern' in operation)) return putInForce(state, state.clearPolicy(kind, operation.name));
  const { name, pattern, applyTo, priority, definition } = operation;
  return putInForce(state, state.setPolicy(kind, { name, pattern, applyTo, priority, definition }));
}

export function policyOperations<Q extends TopologyQueue>(
  vhost: string,
  state: TopologyState<Q>,
): MetadataOperation[] {
  return (['policy', 'operator-policy'] as const).flatMap((kind) =>
    state.policies.list(kind).map((policy) => policySet(vhost, kind, policy)),
  );
}

/** Only what one of the changed policies matches can be affected; the others are not touched. */
function* putInForce<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  changed: readonly ActivePolicy[],
): Work<void> {
  // Whether a queue has to be asked before it gets a message is remembered with the routes that lead to it.
  let rerouted = false;
  for (const queue of state.queues.values()) {
    if (changed.some((active) => active.matches(kindOf(queue), queue.name))) {
      configureQueue(state.policies, queue);
      rerouted = true;
    }
    yield;
  }
  for (const exchange of state.exchanges.values()) {
    if (changed.some((active) => active.matches('exchange', exchange.name))) {
      rerouted = configureExchange(state, exchange) || rerouted;
    }
    yield;
  }
  if (rerouted) state.invalidateRoutes();
}

function policySet(vhost: string, kind: PolicyKind, policy: Policy): PolicySet {
  return { op: `${kind}.set`, vhost, ...policy };
}
