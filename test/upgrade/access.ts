import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import { AmqpClient, type Login } from './amqp-client.ts';
import type { Broker } from './broker.ts';
import { type ExpectedQueue, publish } from './expected-message.ts';

const ADA: Login = { vhost: 'tenant', username: 'ada', password: 'pass wörd' };
const BOB: Login = { vhost: 'tenant', username: 'bob', password: 'bob' };

/** Who may do what, as the command line says it: what comes behind `=` may be empty, and have no spaces. */
const COMMANDS = [
  'permissions set ada --vhost=tenant --configure=^ada --write=.* --read=^(ada|amq)',
  'permissions set bob --vhost=tenant --configure= --write=^amq\\.topic$ --read=^$',
  'topic-permissions set bob --vhost=tenant --exchange=amq.topic --write=^bob\\. --read=^bob\\.',
  'limits set max-connections 7 --user=bob',
  'limits set max-queues 50 --vhost=tenant',
  'acls add kate --operations=read,describe --topic=records --prefixed',
  'acls add kate --operations=read --group=readers',
  'acls add kate --operations=write --topic=records-sealed --deny --from=127.0.0.1',
  'quotas set producer_byte_rate 100000000 --user=kate',
  'quotas set consumer_byte_rate 200000000 --client-id=reports',
  'policies set short ^short-by-policy --vhost=tenant --apply-to=queues --definition={"max-length":1}',
  'operator-policies set most ^ada --vhost=tenant --definition={"max-length":1000}',
];

/** Users, their rights, limits, policies; a queue in another virtual host. */
export async function fillAccess(broker: Broker): Promise<ExpectedQueue[]> {
  await broker.cli(['vhosts', 'add', 'tenant']);
  const add = async ({ username, password }: Login, ...flags: string[]) =>
    await broker.cli(['users', 'add', username, '--password-stdin', ...flags], `${password}\n`);
  await Promise.all([
    add(ADA, '--tags', 'monitoring,policymaker'),
    add(BOB),
    add({ vhost: '/', username: 'kate', password: 'another' }),
  ]);
  await Promise.all(COMMANDS.map(async (line) => await broker.cli(line.split(' '))));
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
  const listed = await broker.cli(['users', 'list']);
  assert.match(listed, /^ada +monitoring, ?policymaker +yes$/m);
}

async function refused(broker: Broker, login: Login): Promise<void> {
  const connecting = connect({ hostname: '127.0.0.1', port: broker.port('amqp'), ...login });
  await assert.rejects(connecting, `${login.username} in ${login.vhost}`);
}
