import assert from 'node:assert/strict';
import type { Table } from '../../../src/base/value.ts';
import { BrokerError, type BrokerErrorKind } from '../../../src/broker/errors.ts';
import { prepareDeletion } from '../../../src/broker/queues/queue-deletion.ts';
import type { QueueFactory, TopologyQueue } from '../../../src/broker/queues/queue-port.ts';
import { type QueueSettings, settingsFromArguments } from '../../../src/broker/queues/queue-settings.ts';
import type { QueueDeclaration } from '../../../src/broker/topology/declarations.ts';
import type { ExchangeDeclaration } from '../../../src/broker/topology/exchange.ts';
import { encodeOperation, type MetadataOperation } from '../../../src/broker/topology/metadata.ts';
import { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import type { VirtualHosts } from '../../../src/broker/topology/virtual-hosts.ts';

/** A queue of which only the counts can be set. */
export interface FakeQueue extends TopologyQueue {
  consumerCount: number;
  readyCount: number;
  removals: number;
  settings: QueueSettings;
}

export function fakeQueues(): QueueFactory<FakeQueue> {
  let lastId = 0;
  return (spec) => {
    const id = spec.id ?? lastId + 1;
    lastId = Math.max(lastId, id);
    return {
      ...spec,
      id,
      isRemote: false,
      get counts() {
        return { ready: this.readyCount, consumers: this.consumerCount };
      },
      consumerCount: 0,
      readyCount: 0,
      settings: settingsFromArguments(spec.arguments),
      touch: () => undefined,
      configure(settings) {
        this.settings = settings;
      },
      removals: 0,
      *prepareDeletion(conditions) {
        return yield* prepareDeletion(Object.assign(this, { vhost: spec.vhost }), conditions);
      },
      *purgeInSteps() {
        yield;
        const count = this.readyCount;
        this.readyCount = 0;
        return count;
      },
      remove() {
        this.removals++;
        return this.readyCount;
      },
    };
  };
}

export interface Fixture {
  readonly vhost: VirtualHost<FakeQueue>;
  readonly journal: MetadataOperation[];
}

export function newVirtualHost(): Fixture {
  const journal: MetadataOperation[] = [];
  const log = { append: (operation: MetadataOperation) => void journal.push(operation) };
  return { vhost: new VirtualHost('/', { createQueue: fakeQueues(), log }), journal };
}

export function exchange(
  name: string,
  type: string,
  changes: Partial<ExchangeDeclaration> = {},
): ExchangeDeclaration {
  return { name, type, durable: true, autoDelete: false, internal: false, arguments: {}, ...changes };
}

export function queue(name: string, changes: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, arguments: {}, ...changes };
}

export function binding(source: string, destination: string, routingKey = '', args: Table = {}) {
  return { source, destination, routingKey, arguments: args };
}

export const unconditionally = { ifUnused: false, ifEmpty: false };

/** The names of the queues that a message goes to, sorted. */
export function routed(
  vhost: VirtualHost<FakeQueue>,
  from: string,
  routingKey: string,
  headers: Table | null = null,
): string[] {
  const route = vhost.route(vhost.exchangeForPublish(from), routingKey, {
    headers: () => headers,
    property: () => null,
  });
  return route.queues.map((found) => found.name).sort();
}

export function assertRefused(action: () => unknown, kind: BrokerErrorKind, message: string): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof BrokerError, String(error));
    assert.deepEqual({ kind: error.kind, message: error.message }, { kind, message });
    return true;
  });
}

/** A snapshot as a set: the order of operations of one kind is of no importance. */
export function contents(source: VirtualHost<FakeQueue> | VirtualHosts<FakeQueue>): string[] {
  return source
    .snapshot()
    .map((operation) => Buffer.from(encodeOperation(operation)).toString())
    .sort();
}
