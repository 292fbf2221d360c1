import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import { AmqpClient, type Login } from './amqp-client.ts';
import type { Broker, Json } from './broker.ts';
import { type ExpectedQueue, publish } from './expected-message.ts';

const ADA: Login = { vhost: 'tenant', username: 'ada', password: 'pass wörd' };
const BOB: Login = { vhost: 'tenant', username: 'bob', password: 'bob' };

const ACL = { principal: 'User:kate', host: '*', pattern: 'literal', permission: 'allow' };

/** Rights, limits and policies, as the HTTP API takes them. */
const SETTINGS: readonly (readonly [path: string, body: Json])[] = [
  ['users/bob', { password: BOB.password, tags: '' }],
  ['users/kate', { password: 'another', tags: 'management' }],
  ['permissions/tenant/bob', { configure: '', write: '^amq\\.topic$', read: '^$' }],
  ['topic-permissions/tenant/bob', { exchange: 'amq.topic', write: '^bob\\.', read: '^bob\\.' }],
  ['user-limits/bob/max-connections', { value: 7 }],
  ['vhost-limits/tenant/max-queues', { value: 50 }],
  ['acls/%2F', { ...ACL, resource: 'topic', name: 'records', pattern: 'prefixed', operation: 'read' }],
  ['acls/%2F', { ...ACL, resource: 'group', name: 'readers', operation: 'read' }],
  ['acls/%2F', { ...ACL, resource: 'topic', name: 'sealed', operation: 'write', permission: 'deny' }],
  ['quotas', { user: 'kate', values: { producer_byte_rate: 100_000_000 } }],
  ['quotas', { client_id: 'reports', values: { consumer_byte_rate: 200_000_000 } }],
  [
    'policies/tenant/short',
    { pattern: '^short', 'apply-to': 'queues', definition: { 'max-length': 1 }, priority: 5 },
  ],
  ['operator-policies/tenant/most', { pattern: '^ada', definition: { 'max-length': 1000 } }],
];

/** Users, their rights, limits, policies; a queue in another virtual host. */
export async function fillAccess(broker: Broker): Promise<ExpectedQueue[]> {
  await broker.cli(['vhosts', 'add', 'tenant']);
  const flags = ['--password-stdin', '--tags', 'monitoring,policymaker'];
  await broker.cli(['users', 'add', ADA.username, ...flags], `${ADA.password}\n`);
  const patterns = ['--configure', '^ada', '--write', '.*', '--read', '^(ada|amq)'];
  await broker.cli(['permissions', 'set', ADA.username, '--vhost', 'tenant', ...patterns]);
  for (const [path, body] of SETTINGS) await broker.put(`/api/${path}`, body);
  const client = await AmqpClient.open(broker, ADA);
  await client.channel.assertQueue('ada');
  const messages = [publish(client.channel, '', 'ada', 'of a tenant', { userId: 'ada' })];
  await client.channel.waitForConfirms();
  await client.close();
  return [{ login: ADA, name: 'ada', messages }];
}

export async function verifyAccess(broker: Broker): Promise<void> {
  await refused(broker, { ...ADA, password: 'wrong' });
  await refused(broker, { ...ADA, vhost: '/' });
  const ada = await AmqpClient.open(broker, ADA);
  await ada.channel.assertQueue('ada.new');
  await assert.rejects(ada.channel.assertQueue('not hers'), /ACCESS_REFUSED/);
  await ada.close();
  const bob = await AmqpClient.open(broker, BOB);
  bob.channel.publish('amq.topic', 'bob.news', Buffer.from(''));
  await bob.channel.waitForConfirms();
  const closed = new Promise<Error>((resolve) => bob.channel.once('error', resolve));
  bob.channel.publish('amq.topic', 'ada.news', Buffer.from(''));
  assert.match((await closed).message, /ACCESS_REFUSED/);
  await bob.close();
}

async function refused(broker: Broker, login: Login): Promise<void> {
  const connecting = connect({ hostname: '127.0.0.1', port: broker.port('amqp'), ...login });
  await assert.rejects(connecting, `${login.username} in ${login.vhost}`);
}
