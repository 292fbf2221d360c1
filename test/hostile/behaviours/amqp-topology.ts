import { publishBytes } from '../../servers/amqp091/raw-client.ts';
import {
  amqpChannel,
  bindQueue,
  declareExchange,
  declareQueue,
  ignoreAnswers,
  propertyBytes,
  publishes,
  writeForever,
} from '../amqp-login.ts';
import { type Behaviour, repeatedly } from '../behaviour.ts';

/** What can be done with queues, exchanges and bindings. */

const SMALL = Buffer.alloc(10);

const exclusive: Behaviour = {
  name: 'exclusive-queues',
  title: '5,000 exclusive queues with a binding and a message each, then the connection goes, and again',
  run: (target) =>
    repeatedly(target, 2, async () => {
      using client = await amqpChannel(target);
      for (let i = 0; i < 50 && !target.signal.aborted; i++) {
        for (let j = 0; j < 100; j++) declareQueue(client, '', {}, { exclusive: true });
        for (let j = 0; j < 100; j++) {
          const { queue } = await client.expect('queue.declare-ok');
          bindQueue(client, queue, 'amq.direct', 'all');
          client.write(publishBytes(1, '', queue, SMALL));
        }
      }
      client.socket.resetAndDestroy();
    }),
};

const headers: Behaviour = {
  name: 'headers-bindings',
  title: 'a headers exchange with 5,000 bindings of ten headers each, and messages with a hundred',
  async run(target) {
    const client = await amqpChannel(target);
    declareQueue(client, 'by-headers', { 'x-max-length': 100 });
    await client.expect('queue.declare-ok');
    const wanted = (i: number) =>
      Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`header-${at}`, at < 9 ? 'same' : `${i}`]));
    for (let i = 0; i < 5000; i++)
      bindQueue(client, 'by-headers', 'amq.headers', '', { 'x-match': 'all', ...wanted(i) });
    const more = Object.fromEntries(Array.from({ length: 90 }, (_, at) => [`more-${at}`, 'x']));
    const message = publishBytes(1, 'amq.headers', '', SMALL, {
      properties: propertyBytes({ headers: { ...more, ...wanted(5001) } }),
    });
    ignoreAnswers(client);
    await writeForever(target, client, () => message);
  },
};

const consistentHash: Behaviour = {
  name: 'consistent-hash-churn',
  title: 'a consistent-hash exchange whose queues come and go with the greatest weights, while messages come',
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await amqpChannel(target);
      declareExchange(client, `ring-${turn}`, 'x-consistent-hash');
      ignoreAnswers(client);
      const messages = publishes(50, `ring-${turn}`, 'key', SMALL);
      await writeForever(target, client, (i) => {
        const queue = `on-ring-${turn}-${i % 50}`;
        if (i % 100 < 50) {
          declareQueue(client, queue, { 'x-max-length': 10 });
          bindQueue(client, queue, `ring-${turn}`, '1000');
        } else {
          client.method(1, { name: 'queue.delete', queue, ifUnused: false, ifEmpty: false, noWait: true });
        }
        return messages;
      });
    }),
};

const alternates: Behaviour = {
  name: 'alternate-cycles',
  title: '1,000 exchanges that are the alternate of one another, in a circle, and messages that nobody takes',
  async run(target) {
    const client = await amqpChannel(target);
    const count = 1000;
    for (let i = 0; i < count; i++) {
      declareExchange(client, `alternate-${i}`, 'direct', {
        'alternate-exchange': `alternate-${(i + 1) % count}`,
      });
    }
    ignoreAnswers(client);
    const messages = publishes(10, 'alternate-0', 'nobody', SMALL);
    await writeForever(target, client, () => messages);
  },
};

const fans: Behaviour = {
  name: 'exchange-fans',
  title: 'five layers of 20 fanout exchanges, each bound to all of the next, and messages for the first',
  async run(target) {
    const client = await amqpChannel(target);
    const [layers, width] = [5, 20];
    for (let layer = 0; layer < layers; layer++) {
      for (let i = 0; i < width; i++) declareExchange(client, `fan-${layer}-${i}`, 'fanout');
    }
    for (let layer = 0; layer + 1 < layers; layer++) {
      for (let i = 0; i < width * width; i++) {
        client.method(1, {
          name: 'exchange.bind',
          source: `fan-${layer}-${i % width}`,
          destination: `fan-${layer + 1}-${Math.floor(i / width)}`,
          routingKey: '',
          noWait: true,
          arguments: {},
        });
      }
    }
    for (let i = 0; i < 200; i++) {
      declareQueue(client, `fanned-${i}`, { 'x-max-length': 10 });
      bindQueue(client, `fanned-${i}`, `fan-${layers - 1}-${i % width}`, '');
    }
    ignoreAnswers(client);
    const messages = publishes(10, 'fan-0-0', '', SMALL);
    await writeForever(target, client, () => messages);
  },
};

const wideFan: Behaviour = {
  name: 'wide-fan',
  title: 'tiny messages for a fanout exchange with 2,000 queues, 1,000 in each read of the socket',
  async run(target) {
    const client = await amqpChannel(target);
    for (let i = 0; i < 2000; i++) {
      declareQueue(client, `wide-${i}`, { 'x-max-length': 1 });
      await client.expect('queue.declare-ok');
      bindQueue(client, `wide-${i}`, 'amq.fanout', '');
    }
    ignoreAnswers(client);
    const messages = publishes(1000, 'amq.fanout', '', SMALL);
    await writeForever(target, client, () => messages);
  },
};

export const AMQP_TOPOLOGY_BEHAVIOURS: readonly Behaviour[] = [
  exclusive,
  headers,
  consistentHash,
  alternates,
  fans,
  wideFan,
];
