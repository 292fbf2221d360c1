import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfirmChannel } from 'amqplib';
import type { PolicyRequest } from '../../../src/broker/policies/policy.ts';
import { type AnyQueue, asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { TestBroker } from '../../broker/test-broker.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

function vhostOf(test: TestServer | TestBroker): VirtualHost<AnyQueue> {
  const vhost = test.broker.vhosts.get('/');
  assert.ok(vhost);
  return vhost;
}

function policy(
  definition: PolicyRequest['definition'],
  changes: Partial<PolicyRequest> = {},
): PolicyRequest {
  return { name: 'p', pattern: '^q$', definition, ...changes };
}

async function publish(channel: ConfirmChannel, key: string, bodies: readonly string[]): Promise<void> {
  for (const body of bodies) channel.sendToQueue(key, Buffer.from(body), { persistent: true });
  await channel.waitForConfirms();
}

async function bodiesIn(channel: ConfirmChannel, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return bodies;
    bodies.push(message.content.toString());
  }
}

describe('a policy', () => {
  it('that limits a queue drops its head at once, and as long as it is in force', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    await publish(channel, 'q', ['1', '2', '3', '4']);
    vhostOf(test).setPolicy(policy({ 'max-length': 2 }));
    const queue = asLocal(vhostOf(test).findQueue('q'));
    await until(() => queue?.readyCount === 2);
    await publish(channel, 'q', ['5']);
    assert.deepEqual(await bodiesIn(channel, 'q'), ['4', '5']);
    vhostOf(test).clearPolicy('p');
    await publish(channel, 'q', ['6', '7', '8']);
    assert.deepEqual(await bodiesIn(channel, 'q'), ['6', '7', '8']);
  });

  it('can have a full queue refuse what is published', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    vhostOf(test).setPolicy(policy({ overflow: 'reject-publish' }));
    vhostOf(test).setOperatorPolicy(policy({ 'max-length': 1 }));
    await publish(channel, 'q', ['1']);
    await assert.rejects(publish(channel, 'q', ['2']));
    vhostOf(test).clearOperatorPolicy('p');
    await publish(channel, 'q', ['3']);
    assert.deepEqual(await bodiesIn(channel, 'q'), ['1', '3']);
  });

  it('that lets messages expire sends also those that wait already where its dead letters go', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    await channel.assertQueue('dead');
    await publish(channel, 'q', ['1']);
    vhostOf(test).setPolicy(
      policy({ 'message-ttl': 10, 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' }),
    );
    const dead = asLocal(vhostOf(test).findQueue('dead'));
    await until(() => dead?.readyCount === 1);
    const message = await channel.get('dead', { noAck: true });
    assert.ok(message);
    assert.equal(message.properties.headers?.['x-first-death-reason'], 'expired');
  });

  it('that lets queues expire takes those that nobody uses, and no other', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('q');
    await channel.assertQueue('q2');
    vhostOf(test).setPolicy(policy({ expires: 20 }));
    await until(() => vhostOf(test).findQueue('q') === undefined);
    assert.ok(vhostOf(test).findQueue('q2'));
  });

  it('that names an alternate exchange gives it what the next message finds no binding for', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('x', 'direct');
    await channel.assertQueue('q');
    await channel.bindQueue('q', 'amq.fanout', '');
    channel.publish('x', 'k', Buffer.from('lost'));
    await channel.waitForConfirms();
    vhostOf(test).setPolicy(
      policy({ 'alternate-exchange': 'amq.fanout' }, { pattern: '^x$', applyTo: 'exchanges' }),
    );
    channel.publish('x', 'k', Buffer.from('found'));
    await channel.waitForConfirms();
    assert.deepEqual(await bodiesIn(channel, 'q'), ['found']);
  });

  it('is in force again after a restart', async () => {
    await using test = await TestBroker.start();
    test.queue('q');
    vhostOf(test).setPolicy(policy({ 'max-length': 3 }, { priority: 2, applyTo: 'queues' }));
    vhostOf(test).setOperatorPolicy(policy({ 'max-length': 2 }, { name: 'cap' }));
    vhostOf(test).setOperatorPolicy(policy({ 'max-length': 1 }, { name: 'gone' }));
    vhostOf(test).clearOperatorPolicy('gone');
    for (let restarts = 0; restarts < 2; restarts++) {
      await test.restart();
      const vhost = vhostOf(test);
      assert.equal(asLocal(vhost.findQueue('q'))?.settings.maxLength, 2);
      assert.deepEqual(vhost.listPolicies(), [
        policy({ 'max-length': 3 }, { priority: 2, applyTo: 'queues' }),
      ]);
      assert.deepEqual(
        vhost.listOperatorPolicies().map(({ name }) => name),
        ['cap'],
      );
    }
  });
});
