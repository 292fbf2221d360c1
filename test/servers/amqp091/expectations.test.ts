import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DrivenTime } from '../../support/driven-time.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

/** Small things that the test suites of RabbitMQ's clients take for granted. */
describe('a client that knows RabbitMQ', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(() => test[Symbol.asyncDispose]());

  it('does not get by asking what came while its consumer waited', async () => {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const consumed: string[] = [];
    await channel.consume(queue, (message) => message && consumed.push(`${message.content}`));
    channel.sendToQueue(queue, Buffer.from('for the consumer'));
    assert.equal(await channel.get(queue), false);
    await until(() => consumed.length === 1);
  });

  it('does not give a second consumer what the first one waited for', async () => {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const consumed: string[] = [];
    await channel.consume(queue, () => consumed.push('first'), { noAck: true });
    channel.sendToQueue(queue, Buffer.from('one'));
    await channel.consume(queue, () => consumed.push('second'), { noAck: true, priority: 10 });
    await until(() => consumed.length === 1);
    assert.deepEqual(consumed, ['first']);
  });

  it('declares and deletes by names without the line breaks that it sends', async () => {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    assert.equal((await channel.assertQueue('line\r\nbreaks\n')).queue, 'linebreaks');
    await channel.checkQueue('linebreaks\n');
    await channel.assertExchange('ex\nchange', 'direct');
    await channel.bindQueue('linebreaks', 'exchange', '');
    await channel.deleteExchange('exchange\n');
    await channel.deleteQueue('\rlinebreaks');
    const vhost = test.broker.vhosts.get('/');
    assert.equal(vhost?.findQueue('linebreaks'), undefined);
    assert.equal(vhost?.findExchange('exchange'), undefined);
  });

  it('keeps a queue from expiring by looking whether it is there', async () => {
    const time = new DrivenTime();
    await using driven = await TestServer.start({}, { clock: time, scheduler: time });
    await using connection = await driven.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('lease', { expires: 400 });
    for (let n = 0; n < 4; n++) {
      time.pass(200);
      await channel.checkQueue('lease');
    }
    time.pass(400);
    await until(() => driven.broker.vhosts.get('/')?.findQueue('lease') === undefined);
  });
});
