import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { declaration, MESSAGES, Scene, STATES_MIN } from './long-method-scene.ts';
import { methodBytes, publishBytes, RawClient } from './raw-client.ts';

const CONSUMERS = 4000;
const CHANNELS = 2000;

const CONSUME = { noLocal: false, noAck: false, exclusive: false, noWait: true, arguments: {} };

/** A client of its own, that has so many consumers of `q` on each of its channels. */
async function consumers(scene: Scene, channels: number, each: number): Promise<RawClient> {
  const client = await RawClient.connect(scene.test.server.port);
  await client.handshake({}, { consumer_cancel_notify: true });
  const methods: Buffer[] = [];
  for (let channel = 1; channel <= channels; channel++) {
    methods.push(methodBytes(channel, { name: 'channel.open' }));
    for (let i = 0; i < each; i++) {
      methods.push(
        methodBytes(channel, { name: 'basic.consume', queue: 'q', consumerTag: `c${i}`, ...CONSUME }),
      );
    }
  }
  client.write(Buffer.concat(methods));
  await scene.until(() => scene.queue.consumerCount === channels * each);
  client.received.length = 0;
  return client;
}

describe('very many consumers', () => {
  it('are told one by one that their queue was deleted, while others are served; whoever deleted it is told first', async () => {
    await using scene = await Scene.make();
    using client = await consumers(scene, 1, CONSUMERS);
    const conditions = { ifUnused: false, ifEmpty: false, noWait: false };
    client.method(1, { name: 'queue.delete', queue: 'q', ...conditions });
    const told = () => `${client.received.length}`;
    const seen = await scene.until(() => client.received.length === CONSUMERS + 1, told);
    assert.ok(seen >= STATES_MIN, `${seen} states`);
    const [first, ...others] = client.received.map(({ method }) => method);
    assert.equal(first?.name, 'queue.delete-ok');
    assert.ok(others.every((method) => method?.name === 'basic.cancel'));
    const tags = new Set(others.map((method) => (method?.name === 'basic.cancel' ? method.consumerTag : '')));
    assert.equal(tags.size, CONSUMERS);
  });

  it('of one channel end while others are served, and close-ok comes after that', async () => {
    await using scene = await Scene.make();
    using client = await consumers(scene, 1, CONSUMERS);
    client.method(1, { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    const { queue } = scene;
    const seen = await scene.until(
      () => client.received.length > 0,
      () => `${queue.consumerCount}`,
    );
    assert.ok(seen >= STATES_MIN, `${seen} states`);
    assert.equal(client.received[0]?.method?.name, 'channel.close-ok');
    assert.equal(queue.consumerCount, 0);
  });

  for (const how of ['is closed', 'is reset'] as const) {
    it(`of many channels end while others are served when their connection ${how}, and take nothing meanwhile`, async () => {
      await using scene = await Scene.make();
      const { queue } = scene;
      using client = await consumers(scene, CHANNELS, 2);
      if (how === 'is reset') client.socket.resetAndDestroy();
      else
        client.method(0, {
          name: 'connection.close',
          replyCode: 200,
          replyText: '',
          classId: 0,
          methodId: 0,
        });
      await scene.until(() => queue.consumerCount < 2 * CHANNELS);
      scene.client.write(publishBytes(1, '', 'q', Buffer.from('for nobody')));
      const state = () => `${queue.consumerCount}`;
      const seen = await scene.until(() => queue.consumerCount === 0 && queue.readyCount === 1, state);
      assert.ok(seen >= STATES_MIN, `${seen} states`);
      assert.equal(queue.ledger.delivered, 0);
    });
  }

  it('may use the tag of a consumer whose queue is gone before they are told of it', async () => {
    await using scene = await Scene.make();
    using client = await consumers(scene, 1, CONSUMERS);
    scene.client.method(1, declaration('another'));
    await scene.client.expect('queue.declare-ok');
    const conditions = { ifUnused: false, ifEmpty: false, noWait: true };
    const last = `c${CONSUMERS - 1}`;
    client.write(
      Buffer.concat([
        methodBytes(1, { name: 'queue.delete', queue: 'q', ...conditions }),
        methodBytes(1, { name: 'basic.cancel', consumerTag: last, noWait: true }),
        methodBytes(1, { name: 'basic.consume', queue: 'another', consumerTag: last, ...CONSUME }),
      ]),
    );
    await scene.until(
      () => client.received.length === CONSUMERS - 1,
      () => `${client.received.length}`,
    );
    assert.equal(scene.test.queue('another')?.consumerCount, 1);
  });
});

describe('very many messages that leave a queue at once', () => {
  const policies = {
    'a policy with a length limit': { 'max-length': 10 },
    'a policy with a time to live': { 'message-ttl': 0 },
  };
  for (const [what, definition] of Object.entries(policies)) {
    it(`by ${what} go while others are served`, async () => {
      await using scene = await Scene.make();
      await scene.fill();
      const { queue, test } = scene;
      const left = 'max-length' in definition ? 10 : 0;
      test.broker.vhosts
        .get('/')
        ?.setPolicy({ name: 'p', pattern: '^q$', applyTo: 'queues', priority: 0, definition });
      const seen = await scene.until(() => queue.readyCount === left);
      assert.ok(seen >= STATES_MIN, `${seen} states`);
      assert.equal(queue.ledger.dropped + queue.ledger.expired, MESSAGES - left);
      assert.ok(queue.isBalanced);
    });
  }
});
