import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Channel, ConfirmChannel, Options } from 'amqplib';
import { TestServer } from '../test-server.ts';

const body = Buffer.from('x');

/** The messages that wait in a queue: their routing keys and headers. */
async function drained(channel: Channel, queue: string): Promise<{ key: string; headers: object }[]> {
  const found = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return found;
    found.push({ key: message.fields.routingKey, headers: message.properties.headers ?? {} });
  }
}

describe('CC and BCC, the further routing keys of a message', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(async () => {
    await test[Symbol.asyncDispose]();
  });

  async function withQueues(...names: string[]): Promise<ConfirmChannel & AsyncDisposable> {
    const connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    for (const name of names) await channel.assertQueue(name, { exclusive: true });
    return Object.assign(channel, { [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() });
  }

  async function publish(channel: ConfirmChannel, exchange: string, key: string, options: Options.Publish) {
    channel.publish(exchange, key, body, options);
    await channel.waitForConfirms();
  }

  async function refusal(options: Options.Publish): Promise<string> {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    const failed = once(channel, 'error');
    channel.publish('', 'nowhere', body, options);
    const [error] = await failed;
    return (error as Error).message;
  }

  it('lead to more queues, each once; nobody sees BCC; what is no text in them is passed over', async () => {
    await using channel = await withQueues('a', 'b', 'c');
    await publish(channel, '', 'a', {
      headers: { CC: ['b', 'b', 9], BCC: ['c', 'a'], other: 1 },
      messageId: 'kept',
    });
    const expected = [{ key: 'a', headers: { CC: ['b', 'b', 9], other: 1 } }];
    for (const queue of ['a', 'b', 'c']) assert.deepEqual(await drained(channel, queue), expected, queue);
  });

  it('count for the alternate exchange together: it gets what none of the keys leads anywhere with', async () => {
    await using channel = await withQueues('matched', 'rest');
    const options = { autoDelete: true, arguments: { 'alternate-exchange': 'amq.fanout' } };
    await channel.assertExchange('source', 'direct', options);
    await channel.bindQueue('matched', 'source', 'second');
    await channel.bindQueue('rest', 'amq.fanout', '');
    await publish(channel, 'source', 'first', { headers: { CC: ['second'] } });
    await publish(channel, 'source', 'first', { headers: { CC: ['third'] } });
    assert.equal((await drained(channel, 'matched')).length, 1);
    assert.equal((await drained(channel, 'rest')).length, 1);
  });

  it('all route a dead letter that gets no key of its own, also when it dies again; BCC stays hidden', async () => {
    await using channel = await withQueues('late', 'hidden');
    await channel.assertExchange('letters', 'direct', { autoDelete: true });
    await channel.assertExchange('letters-again', 'direct', { autoDelete: true });
    const dying = { exclusive: true, deadLetterExchange: 'letters' };
    await channel.assertQueue('dying', dying);
    await channel.assertQueue('dies-again', { exclusive: true, deadLetterExchange: 'letters-again' });
    await channel.bindQueue('late', 'letters', 'copy');
    await channel.bindQueue('dies-again', 'letters', 'blind');
    await channel.bindQueue('hidden', 'letters-again', 'blind-too');
    for (const i of [1, 2]) {
      await publish(channel, '', 'dying', { headers: { CC: ['copy'], BCC: ['blind', 'blind-too'], i } });
    }
    for (const queue of ['dying', 'dies-again']) {
      for (let i = 0; i < 2; i++) {
        const message = await channel.get(queue);
        assert.ok(message !== false);
        assert.equal(message.properties.headers?.BCC, undefined);
        channel.reject(message, false);
      }
    }
    for (const queue of ['late', 'hidden']) {
      const found = await drained(channel, queue);
      assert.deepEqual(
        found.map(({ key, headers }) => [key, 'BCC' in headers]),
        [
          ['dying', false],
          ['dying', false],
        ],
      );
      const { 'x-death': deaths } = found[0]!.headers as { 'x-death': { 'routing-keys': string[] }[] };
      for (const death of deaths) assert.deepEqual(death['routing-keys'], ['dying', 'copy']);
    }
  });

  it('are hidden from those who get a dead letter with a key of its own', async () => {
    await using channel = await withQueues('by-key', 'blind');
    const dying = { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: 'by-key', maxLength: 0 };
    await channel.assertQueue('dying', dying);
    await publish(channel, '', 'dying', { headers: { CC: ['by-key'], BCC: ['nowhere'] } });
    await channel.deleteQueue('dying');
    const found = await drained(channel, 'by-key');
    assert.deepEqual(
      found.map(({ headers }) => ['CC' in headers, 'BCC' in headers]),
      [
        [true, false],
        [false, false],
      ],
    );
  });

  it('make a mandatory message deliverable', async () => {
    await using channel = await withQueues('d');
    let returned = 0;
    channel.on('return', () => returned++);
    await publish(channel, '', 'nowhere', { mandatory: true, headers: { BCC: ['d'] } });
    assert.equal(returned, 0);
    await publish(channel, '', 'nowhere', { mandatory: true, headers: { BCC: ['nowhere, too'] } });
    assert.equal(returned, 1);
  });

  it('are arrays, or the message is refused in the words of RabbitMQ', async () => {
    const type = (name: string, found: string) =>
      `invalid message: {unacceptable_type_in_header,"${name}",${found}}`;
    assert.match(await refusal({ headers: { CC: 'a' } }), new RegExp(escaped(type('CC', 'longstr'))));
    assert.match(await refusal({ headers: { BCC: true } }), new RegExp(escaped(type('BCC', 'bool'))));
    assert.match(await refusal({ headers: { CC: null } }), new RegExp(escaped(type('CC', 'void'))));
  });

  it('mean nothing elsewhere in the headers', async () => {
    await using channel = await withQueues('f');
    await publish(channel, '', 'f', { headers: { ACCA: 'CCA', deep: { CC: 5 } } });
    assert.deepEqual(await drained(channel, 'f'), [{ key: 'f', headers: { ACCA: 'CCA', deep: { CC: 5 } } }]);
  });
});

describe('the property expiration', () => {
  it('is whole milliseconds, or the message is refused in the words of RabbitMQ', async () => {
    await using test = await TestServer.start();
    const cases = [
      ['abc', 'no_integer'],
      ['', 'no_integer'],
      [' 5', 'no_integer'],
      ['-1', '{value_negative,-1}'],
      ['10x', '{leftover_string,"x"}'],
      ['1.5', '{leftover_string,".5"}'],
      ['315360000001', '{value_too_large,315360000001}'],
    ] as const;
    for (const [expiration, reason] of cases) {
      await using connection = await test.connect();
      const channel = await connection.createChannel();
      const failed = once(channel, 'error');
      channel.publish('', 'nowhere', body, { expiration });
      const [error] = await failed;
      assert.match(
        (error as Error).message,
        new RegExp(`406.*${escaped(`invalid expiration '${expiration}': ${reason}`)}`),
      );
    }
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('kept', { exclusive: true });
    for (const expiration of ['007', '+60000', '4294967295', '4294967296', '315360000000']) {
      channel.publish('', 'kept', body, { expiration });
      await channel.waitForConfirms();
    }
  });
});

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
