import type { Broker } from '../../../src/broker/broker.ts';
import type { ObjectAccount } from '../../../src/broker/budget/object-account.ts';
import type { ObjectKind } from '../../../src/broker/budget/object-kinds.ts';
import { streamExchange } from '../../../src/broker/exchanges/stream.ts';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import { isPredeclared } from '../../../src/broker/topology/predeclared-exchanges.ts';

export type Counts = Record<string, number>;

/** Counts everything that there is, one by one: `user u0 queues`, `vhost / queues`. What is 0 is left out. */
export function recounted(broker: Broker): Counts {
  const counts: Counts = {};
  const add = (
    kind: ObjectKind,
    account: ObjectAccount | null | undefined,
    vhost: string,
    count = 1,
  ): void => {
    if (count === 0) return;
    const names = [`vhost ${vhost} ${kind}`];
    if (account && !account.isClosed) names.push(`user ${account.name} ${kind}`);
    for (const name of names) counts[name] = (counts[name] ?? 0) + count;
  };
  for (const vhost of broker.vhosts) {
    for (const queue of localOf(vhost.queues())) {
      add('queues', queue.account, vhost.name);
      add('priority-levels', queue.account, vhost.name, queue.levels.length - 1);
      add('deduplication-names', queue.account, vhost.name, queue.deduplicator?.size ?? 0);
    }
    for (const { name } of vhost.listExchanges()) {
      const exchange = vhost.findExchange(name);
      if (exchange === undefined) continue;
      if (exchange.type !== streamExchange && !isPredeclared(name))
        add('exchanges', exchange.account, vhost.name);
      for (const binding of exchange.outbound.values()) add('bindings', binding.account, vhost.name);
    }
    add('policies', null, vhost.name, vhost.listPolicies().length);
    for (const stream of broker.streams.list(vhost.name)) {
      add('topics', stream.account, vhost.name);
      add('partitions', stream.account, vhost.name, stream.ownPartitions.length);
      for (const { producers } of stream.ownPartitions) {
        add('producers', stream.account, vhost.name, producers.size);
      }
    }
    for (const group of broker.groups.list(vhost.name)) {
      add('groups', group.account, vhost.name);
      const { membership } = group;
      const members =
        membership.type === 'classic'
          ? membership.roster.members.size + membership.roster.expected.size
          : membership.members.size;
      add('members', group.account, vhost.name, members);
      for (const streamId of group.offsets.streamIds()) {
        add('offsets', group.account, vhost.name, [...group.offsets.of(streamId)].length);
      }
    }
    for (const group of broker.shareGroups.list(vhost.name)) {
      add('groups', group.account, vhost.name);
      add('members', group.account, vhost.name, group.members.size);
      add('share-partitions', group.account, vhost.name, [...group.allReaders()].length);
      for (const { share } of group.allReaders()) {
        add('records-in-flight', group.account, vhost.name, share.inFlight);
      }
    }
    for (const group of broker.groupConfigs.list(vhost.name)) {
      add('group-configs', broker.groupConfigs.accountOf(vhost.name, group), vhost.name);
    }
    for (const { account } of broker.transactions.list(vhost.name)) {
      add('transactional-ids', account, vhost.name);
    }
  }
  return counts;
}

/** What the quotas have counted, in the same form. */
export function counted(broker: Broker, users: readonly string[], vhosts: readonly string[]): Counts {
  const counts: Counts = {};
  const add = (name: string, use: ReturnType<Broker['quotas']['useOfUser']>): void => {
    for (const { kind, used } of use) if (used !== 0 && kind !== 'memory') counts[`${name} ${kind}`] = used;
  };
  for (const user of users) add(`user ${user}`, broker.quotas.useOfUser(user));
  for (const vhost of vhosts) add(`vhost ${vhost}`, broker.quotas.useOfVhost(vhost));
  return counts;
}
