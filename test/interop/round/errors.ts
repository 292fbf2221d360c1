import assert from 'node:assert/strict';
import type { Channel } from '../client.ts';
import { type Check, checkRefusal, refuses, type World } from './world.ts';

/** The reply codes and texts that clients match on, and what stays usable after each. */
export const errorChecks: readonly Check[] = [
  {
    title: '404: what is not there; the other channels and a new one go on',
    run: async (world) => {
      const queue = await world.queue();
      await onChannel(world, 404, /^NOT_FOUND - no queue 'absent' in vhost '\/'$/, (channel) =>
        channel.checkQueue('absent'),
      );
      await onChannel(world, 404, /^NOT_FOUND - no exchange 'absent' in vhost '\/'$/, (channel) =>
        channel.checkExchange('absent'),
      );
      await onChannel(world, 404, /^NOT_FOUND - no queue 'absent' in vhost '\/'$/, (channel) =>
        channel.consume('absent', () => {}),
      );
      await onChannel(world, 404, /^NOT_FOUND - no queue 'absent' in vhost '\/'$/, (channel) =>
        channel.get('absent'),
      );
      await onChannel(world, 404, /^NOT_FOUND - no queue 'absent' in vhost '\/'$/, (channel) =>
        channel.purgeQueue('absent'),
      );
      await onChannel(world, 404, /^NOT_FOUND - no exchange 'absent' in vhost '\/'$/, (channel) =>
        channel.bindQueue(queue, 'absent', ''),
      );
      await onChannel(world, 404, /^NOT_FOUND - no exchange 'absent' in vhost '\/'$/, (channel) =>
        channel.publish('absent', 'key', 'lost'),
      );
    },
  },
  {
    title: '403: names that belong to the broker, an exclusive consumer beside another, an internal exchange',
    run: async (world) => {
      await onChannel(
        world,
        403,
        /^ACCESS_REFUSED - queue name 'amq\.ours' contains reserved prefix 'amq\.\*'$/,
        (channel) => channel.declareQueue('amq.ours'),
      );
      await onChannel(
        world,
        403,
        /^ACCESS_REFUSED - exchange name 'amq\.ours' contains reserved prefix 'amq\.\*'$/,
        (channel) => channel.declareExchange('amq.ours', 'direct'),
      );
      await onChannel(
        world,
        403,
        /^ACCESS_REFUSED - operation not permitted on the default exchange$/,
        async (channel) => channel.bindQueue(await world.queue(), '', 'key'),
      );
      const queue = await world.queue();
      await world.channel.consume(queue, () => {});
      await onChannel(world, 403, /^ACCESS_REFUSED - queue '.*' in vhost '\/' in exclusive use$/, (channel) =>
        channel.consume(queue, () => {}, { exclusive: true }),
      );
      const internal = world.name('internal');
      await world.channel.declareExchange(internal, 'fanout', { internal: true });
      await onChannel(
        world,
        403,
        /^ACCESS_REFUSED - cannot publish to internal exchange '.*' in vhost '\/'$/,
        (channel) => channel.publish(internal, '', 'refused'),
      );
      await world.channel.deleteExchange(internal);
    },
  },
  {
    title: '405: an exclusive queue of another connection',
    run: async (world) => {
      const queue = await world.queue();
      const other = await world.another();
      const text = /^RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '.*' in vhost '\/'/;
      const attempts: readonly ((channel: Channel) => Promise<unknown>)[] = [
        (channel) => channel.declareQueue(queue, { exclusive: true }),
        (channel) => channel.checkQueue(queue),
        (channel) => channel.consume(queue, () => {}),
        (channel) => channel.get(queue),
        (channel) => channel.purgeQueue(queue),
        (channel) => channel.deleteQueue(queue),
      ];
      for (const attempt of attempts) {
        const channel = await other.channel();
        await refuses(channel, 405, text, () => attempt(channel));
      }
    },
  },
  {
    title: '406: a declare that differs, a queue in use or not empty, an unknown delivery tag',
    run: async (world) => {
      const { channel: ours } = world;
      const name = world.name('kept');
      await ours.declareQueue(name, { durable: true });
      await onChannel(
        world,
        406,
        /^PRECONDITION_FAILED - inequivalent arg 'durable' for queue '.*' in vhost '\/': received 'false' but current is 'true'$/,
        (channel) => channel.declareQueue(name, { durable: false }),
      );
      await onChannel(
        world,
        406,
        /^PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq\.direct' in vhost '\/': received 'fanout' but current is 'direct'$/,
        (channel) => channel.declareExchange('amq.direct', 'fanout', { durable: true }),
      );
      await world.publishAll(name, ['a']);
      await onChannel(world, 406, /^PRECONDITION_FAILED - queue '.*' in vhost '\/' not empty$/, (channel) =>
        channel.deleteQueue(name, { ifEmpty: true }),
      );
      const tag = await ours.consume(name, () => {}, { noAck: true });
      await onChannel(world, 406, /^PRECONDITION_FAILED - queue '.*' in vhost '\/' in use$/, (channel) =>
        channel.deleteQueue(name, { ifUnused: true }),
      );
      await ours.cancel(tag);
      const exchange = world.name('used');
      await ours.declareExchange(exchange, 'fanout');
      await ours.bindQueue(name, exchange, '');
      await onChannel(world, 406, /^PRECONDITION_FAILED - exchange '.*' in vhost '\/' in use$/, (channel) =>
        channel.deleteExchange(exchange, { ifUnused: true }),
      );
      await ours.deleteExchange(exchange);
      await ours.deleteQueue(name, { ifUnused: true, ifEmpty: true });
      await onChannel(world, 406, /^PRECONDITION_FAILED - unknown delivery tag 7$/, (channel) =>
        channel.ack(7),
      );
    },
  },
  {
    title: '530: a virtual host that is not there, a consumer tag used twice; the connection ends',
    run: async (world) => {
      const nowhere = new URL(world.url);
      nowhere.pathname = '/nowhere';
      const refusal = await failureOf(world.client.connect(nowhere.href));
      if (!world.client.hidesRefusedOpen) checkRefusal(refusal, 530, /^NOT_ALLOWED - .*nowhere/);

      const connection = await world.another();
      const channel = await connection.channel();
      const { queue } = await channel.declareQueue('', { exclusive: true });
      await channel.consume(queue, () => {}, { consumerTag: 'twice' });
      await refuses(connection, 530, /^NOT_ALLOWED - attempt to reuse consumer tag 'twice'$/, () => {
        channel.consume(queue, () => {}, { consumerTag: 'twice' }).catch(() => {});
      });
    },
  },
  {
    title: '403: a wrong password',
    run: async (world) => {
      const url = new URL(world.url);
      url.password = 'wrong';
      checkRefusal(
        await failureOf(world.client.connect(url.href)),
        403,
        /^ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN\./,
      );
    },
  },
];

/** The error ends one channel; another on the same connection, and a new one, must still work. */
async function onChannel(
  world: World,
  code: number,
  text: RegExp,
  action: (channel: Channel) => unknown,
): Promise<void> {
  const channel = await world.connection.channel();
  await refuses(channel, code, text, () => action(channel));
  await world.channel.checkExchange('amq.direct');
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('no error'),
    (error: unknown) => error,
  );
}
