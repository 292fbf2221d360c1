import assert from 'node:assert/strict';
import { type Check, refuses, type World } from './world.ts';

/** Declaring, binding and deleting, and where messages go. */
export const topologyChecks: readonly Check[] = [
  {
    title: 'queues of every kind can be declared, declared again, and looked for',
    run: async ({ channel, name }) => {
      const kinds = [
        { durable: true },
        { durable: false },
        { durable: true, autoDelete: true },
        { durable: false, exclusive: true },
      ];
      for (const options of kinds) {
        const queue = name('declared');
        const first = await channel.declareQueue(queue, options);
        assert.deepEqual([first.queue, first.messageCount, first.consumerCount], [queue, 0, 0]);
        await channel.declareQueue(queue, options);
        assert.equal((await channel.checkQueue(queue)).messageCount, 0);
        assert.equal(await channel.deleteQueue(queue), 0);
      }
    },
  },
  {
    title: 'a queue without a name gets one from the broker',
    run: async ({ channel }) => {
      const { queue } = await channel.declareQueue('', { exclusive: true });
      const other = await channel.declareQueue('', { exclusive: true });
      assert.match(queue, /^amq\.gen-/);
      assert.notEqual(other.queue, queue);
    },
  },
  {
    title: 'a declare tells how many messages and consumers there are',
    run: async (world) => {
      const queue = await world.queue();
      await world.publishAll(queue, ['a', 'b', 'c']);
      assert.equal((await world.channel.checkQueue(queue)).messageCount, 3);
      await world.channel.consume(queue, () => {});
      const { consumerCount, messageCount } = await world.channel.declareQueue(queue, { exclusive: true });
      assert.deepEqual({ consumerCount, messageCount }, { consumerCount: 1, messageCount: 0 });
    },
  },
  {
    title: 'an auto-delete queue goes with its last consumer, an exclusive one with its connection',
    run: async (world) => {
      const queue = world.name('auto-delete');
      await world.channel.declareQueue(queue, { autoDelete: true });
      const tag = await world.channel.consume(queue, () => {});
      await world.channel.cancel(tag);
      const other = await world.another();
      const watcher = await other.channel();
      await refuses(watcher, 404, /^NOT_FOUND - no queue '.*' in vhost '\/'$/, () =>
        watcher.checkQueue(queue),
      );

      const owner = await world.client.connect(world.url);
      const exclusive = world.name('exclusive');
      await (await owner.channel()).declareQueue(exclusive, { exclusive: true });
      await owner.close();
      const later = await other.channel();
      await refuses(later, 404, /^NOT_FOUND - no queue/, () => later.checkQueue(exclusive));
    },
  },
  {
    title: 'a direct exchange goes by the key, a fanout exchange by nothing, and unbinding ends it',
    run: async (world) => {
      const { channel, confirms } = world;
      const [one, two] = [await world.queue(), await world.queue()];
      const direct = await exchange(world, 'direct');
      await channel.bindQueue(one, direct, 'red');
      await channel.bindQueue(two, direct, 'red');
      await channel.bindQueue(two, direct, 'blue');
      for (const key of ['red', 'blue', 'green']) await confirms.publish(direct, key, key);
      assert.deepEqual([await world.drain(one), await world.drain(two)], [['red'], ['red', 'blue']]);
      await channel.unbindQueue(two, direct, 'red');
      await confirms.publish(direct, 'red', 'again');
      assert.deepEqual([await world.drain(one), await world.drain(two)], [['again'], []]);

      const fanout = await exchange(world, 'fanout');
      await channel.bindQueue(one, fanout, '');
      await channel.bindQueue(two, fanout, 'ignored');
      await confirms.publish(fanout, 'any', 'all');
      assert.deepEqual([await world.drain(one), await world.drain(two)], [['all'], ['all']]);
    },
  },
  {
    title: 'a topic exchange matches words, with * for one and # for any number',
    run: async (world) => {
      const topic = await exchange(world, 'topic');
      const keys = ['a', 'a.b', 'a.b.c', 'b.c', 'a..c', ''];
      const expected = {
        'a.#': ['a', 'a.b', 'a.b.c', 'a..c'],
        'a.*': ['a.b'],
        '#.c': ['a.b.c', 'b.c', 'a..c'],
        'a.*.c': ['a.b.c', 'a..c'],
        '#': keys,
        '*': ['a', ''],
      };
      const queues = new Map<string, string>();
      for (const pattern of Object.keys(expected)) {
        const queue = await world.queue();
        queues.set(pattern, queue);
        await world.channel.bindQueue(queue, topic, pattern);
      }
      for (const key of keys) await world.confirms.publish(topic, key, key);
      for (const [pattern, matching] of Object.entries(expected)) {
        // An empty key has no words in RabbitMQ, so that * does not match it.
        const wanted = pattern === '*' ? ['a'] : matching;
        assert.deepEqual(await world.drain(queues.get(pattern)!), wanted, pattern);
      }
    },
  },
  {
    title: 'a headers exchange matches all or any of the headers, but for those that begin with x-',
    run: async (world) => {
      const headers = await exchange(world, 'headers');
      const [all, any] = [await world.queue(), await world.queue()];
      await world.channel.bindQueue(all, headers, '', { 'x-match': 'all', shape: 'round', size: 3 });
      await world.channel.bindQueue(any, headers, '', { 'x-match': 'any', shape: 'round', size: 3 });
      const publish = (body: string, table: Record<string, unknown>) =>
        world.confirms.publish(headers, '', body, { headers: table });
      await publish('both', { shape: 'round', size: 3, more: true });
      await publish('one', { shape: 'round', size: 4 });
      await publish('none', { shape: 'square' });
      await publish('empty', {});
      assert.deepEqual([await world.drain(all), await world.drain(any)], [['both'], ['both', 'one']]);
    },
  },
  {
    title: 'exchanges can be bound to exchanges, a message reaches a queue once, and unbinding ends it',
    run: async (world) => {
      const { channel, confirms } = world;
      const source = await exchange(world, 'topic');
      const [left, right] = [await exchange(world, 'fanout'), await exchange(world, 'direct')];
      const queue = await world.queue();
      await channel.bindExchange(left, source, 'a.#');
      await channel.bindExchange(right, source, 'a.b');
      // A loop is not followed for ever.
      await channel.bindExchange(source, left, '');
      await channel.bindQueue(queue, left, '');
      await channel.bindQueue(queue, right, 'a.b');
      await confirms.publish(source, 'a.b', 'both ways');
      await confirms.publish(source, 'c', 'nowhere');
      assert.deepEqual(await world.drain(queue), ['both ways']);
      await channel.unbindExchange(left, source, 'a.#');
      await confirms.publish(source, 'a.c', 'unbound');
      await confirms.publish(source, 'a.b', 'one way');
      assert.deepEqual(await world.drain(queue), ['one way']);
    },
  },
  {
    title: 'the exchanges of the standard are there',
    run: async ({ channel }) => {
      for (const type of ['direct', 'fanout', 'topic', 'headers', 'match'])
        await channel.checkExchange(`amq.${type}`);
      await channel.declareExchange('amq.direct', 'direct', { durable: true });
    },
  },
  {
    title: 'an auto-delete exchange goes with its last binding, an unused one when it is deleted if unused',
    run: async (world) => {
      const { channel } = world;
      const queue = await world.queue();
      const name = world.name('auto-delete');
      await channel.declareExchange(name, 'fanout', { autoDelete: true });
      await channel.bindQueue(queue, name, '');
      await channel.unbindQueue(queue, name, '');
      const watcher = await world.connection.channel();
      await refuses(watcher, 404, /^NOT_FOUND - no exchange '.*' in vhost '\/'$/, () =>
        watcher.checkExchange(name),
      );
      const unused = await exchange(world, 'direct');
      await channel.deleteExchange(unused, { ifUnused: true });
      await channel.deleteExchange(unused);
    },
  },
  {
    title: 'purging and deleting tell how many messages are gone, and leave unacknowledged ones alone',
    run: async (world) => {
      const queue = await world.queue();
      await world.publishAll(queue, ['held', 'b', 'c', 'd']);
      const held = await world.channel.get(queue);
      assert.equal(await world.channel.purgeQueue(queue), 3);
      assert.equal((await world.channel.checkQueue(queue)).messageCount, 0);
      world.channel.nack(held!.deliveryTag, { requeue: true });
      await world.publishAll(queue, ['e']);
      assert.equal(await world.channel.deleteQueue(queue), 2);
      // To delete what is not there succeeds, since RabbitMQ 3.2.
      assert.equal(await world.channel.deleteQueue(queue), 0);
    },
  },
];

async function exchange(world: World, type: string): Promise<string> {
  const name = world.name(type);
  await world.channel.declareExchange(name, type, { autoDelete: true });
  return name;
}
