import assert from 'node:assert/strict';
import type { Broker, Json } from './broker.ts';

/** The fields of each list that were declared, and that opening the directory again may not change. */
const DECLARED: Readonly<Record<string, readonly string[]>> = {
  vhosts: ['name'],
  users: ['name', 'tags', 'has_password', 'scram_mechanisms', 'limits'],
  permissions: ['user', 'vhost', 'configure', 'write', 'read'],
  'topic-permissions': ['user', 'vhost', 'exchange', 'write', 'read'],
  'vhost-limits': ['vhost', 'value'],
  'user-limits': ['user', 'value'],
  policies: ['vhost', 'name', 'pattern', 'apply-to', 'priority', 'definition'],
  'operator-policies': ['vhost', 'name', 'pattern', 'apply-to', 'priority', 'definition'],
  exchanges: ['name', 'vhost', 'type', 'durable', 'auto_delete', 'internal', 'arguments', 'policy'],
  queues: ['name', 'vhost', 'type', 'durable', 'auto_delete', 'arguments', 'policy', 'operator_policy'],
  bindings: ['vhost', 'source', 'destination', 'destination_type', 'routing_key', 'arguments'],
  streams: [
    'name',
    'vhost',
    'id',
    'partition_count',
    'configs',
    'exchange_type',
    'bindings',
    'queue_arguments',
  ],
  groups: ['name', 'vhost', 'type', 'protocol_type'],
  acls: [],
  quotas: [],
};

export type Definitions = Readonly<Record<string, readonly Json[]>>;

/** What is declared, in an order that does not depend on how it was read. Where no fields are named it is all of them. */
export async function readDefinitions(broker: Broker): Promise<Definitions> {
  const lists: Record<string, readonly Json[]> = {};
  for (const [list, fields] of Object.entries(DECLARED)) {
    const all = (await broker.get(`/api/${list}`)) as readonly Json[];
    // Not each of them has each field, but one that none has is not what it is called.
    const lacking = fields.filter((field) => all.every((each) => each[field] === undefined));
    assert.ok(all.length > 0 && lacking.length === 0, `${list} without ${lacking.join()}`);
    const chosen = all.map((each) => (fields.length === 0 ? each : pick(each, fields)));
    lists[list] = chosen.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
  }
  return lists;
}

function pick(each: Json, fields: readonly string[]): Json {
  return Object.fromEntries(fields.map((field) => [field, each[field]]));
}
