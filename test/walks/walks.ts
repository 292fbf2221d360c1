import { setTimeout as sleep } from 'node:timers/promises';
import { fetch } from '../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../broker/streams/batches.ts';
import { publishBytes, RawClient } from '../servers/amqp091/raw-client.ts';
import { KafkaClient } from '../servers/kafka/kafka-client.ts';
import type { Entry } from './trace.ts';
import { TracedBroker } from './traced-broker.ts';

/** What is walked, from the bytes that a socket reads to the bytes that it is given. */
export const WALKS = {
  publish: 'AMQP: a persistent message, from basic.publish to its confirm; nobody consumes',
  whole: "AMQP: the same with a consumer: publish, confirm, delivery, and the consumer's basic.ack",
  delivery: "AMQP: a delivery, from the queue's turn to the socket",
  produce: 'Kafka: a Produce of one batch, acks=all, to its response',
  fetch: 'Kafka: a Fetch, in a session, of what is in memory',
} as const;

export type WalkName = keyof typeof WALKS;

/** Timers and other work of the broker only add entries: the walk is the shortest of so many traces, without what others lack. */
const TRACES = 3;
const LEARNING_WALKS = 2;

const ACKNOWLEDGED_MS = 40;

const PERSISTENT = Buffer.from([0x10, 0, 2]);
const TRANSIENT = Buffer.from([0x10, 0, 1]);
const BODY = Buffer.from('sixteen bytes ..');

interface Scenario {
  readonly run: () => Promise<void>;
  /** The part of the trace that is the walk. */
  readonly cut?: (entries: readonly Entry[]) => readonly Entry[];
}

/** All walks in the broker of this checkout. */
export async function traceWalks(root: string): Promise<Record<WalkName, readonly Entry[]>> {
  await using broker = await TracedBroker.start(root);
  using amqp = new AmqpPeers(
    await RawClient.connect(broker.amqpPort),
    await RawClient.connect(broker.amqpPort),
  );
  await amqp.prepare();
  using kafka = await KafkaClient.connect(broker.kafkaPort);
  const scenarios: Record<WalkName, Scenario> = { ...amqp.scenarios(), ...(await kafkaScenarios(kafka)) };
  await broker.learn(async () => {
    for (const { run } of Object.values(scenarios)) await run();
  }, LEARNING_WALKS);
  const traced: Partial<Record<WalkName, readonly Entry[]>> = {};
  for (const [name, { run, cut }] of Object.entries(scenarios)) {
    const traces: (readonly Entry[])[] = [];
    for (let i = 0; i < TRACES; i++) traces.push(await broker.trace(run));
    traced[name as WalkName] = commonPart(cut === undefined ? traces : traces.map(cut));
  }
  return traced as Record<WalkName, readonly Entry[]>;
}

function commonPart(traces: readonly (readonly Entry[])[]): readonly Entry[] {
  const known = traces.map((trace) => new Set(trace.map(({ file, name }) => `${file} ${name}`)));
  const shortest = traces.reduce((a, b) => (b.length < a.length ? b : a));
  return shortest.filter(({ file, name }) => known.every((names) => names.has(`${file} ${name}`)));
}

class AmqpPeers implements Disposable {
  readonly #publisher: RawClient;
  readonly #consumer: RawClient;

  constructor(publisher: RawClient, consumer: RawClient) {
    this.#publisher = publisher;
    this.#consumer = consumer;
  }

  async prepare(): Promise<void> {
    for (const client of [this.#publisher, this.#consumer]) {
      await client.handshake();
      client.method(1, { name: 'channel.open' });
      await client.expect('channel.open-ok');
    }
    for (const queue of ['kept', 'consumed']) {
      this.#publisher.method(1, {
        ...{ name: 'queue.declare', queue, passive: false, durable: true, exclusive: false },
        ...{ autoDelete: false, noWait: false, arguments: {} },
      });
      await this.#publisher.expect('queue.declare-ok');
    }
    this.#publisher.method(2, { name: 'channel.open' });
    await this.#publisher.expect('channel.open-ok');
    this.#publisher.method(1, { name: 'confirm.select', noWait: false });
    await this.#publisher.expect('confirm.select-ok');
    this.#consumer.method(1, { name: 'basic.qos', prefetchSize: 0, prefetchCount: 10, global: false });
    await this.#consumer.expect('basic.qos-ok');
    this.#consumer.method(1, {
      ...{ name: 'basic.consume', queue: 'consumed', consumerTag: 'c', noLocal: false, noAck: false },
      ...{ exclusive: false, noWait: false, arguments: {} },
    });
    await this.#consumer.expect('basic.consume-ok');
  }

  scenarios(): Record<'publish' | 'whole' | 'delivery', Scenario> {
    return {
      publish: {
        run: async () => {
          this.#publisher.write(publishBytes(1, '', 'kept', BODY, { properties: PERSISTENT }));
          await this.#publisher.expect('basic.ack');
        },
      },
      whole: {
        run: async () => {
          this.#publisher.write(publishBytes(1, '', 'consumed', BODY, { properties: PERSISTENT }));
          const { deliveryTag } = await this.#delivered();
          await this.#publisher.expect('basic.ack');
          await this.#acknowledge(deliveryTag);
        },
      },
      delivery: {
        run: async () => {
          this.#publisher.write(publishBytes(2, '', 'consumed', BODY, { properties: TRANSIENT }));
          const { deliveryTag } = await this.#delivered();
          await this.#acknowledge(deliveryTag);
        },
        cut: pumpOf,
      },
    };
  }

  /** The broker does not answer. What is acknowledged is journaled a few milliseconds later. */
  async #acknowledge(deliveryTag: number): Promise<void> {
    this.#consumer.method(1, { name: 'basic.ack', deliveryTag, multiple: false });
    await sleep(ACKNOWLEDGED_MS);
  }

  async #delivered() {
    const method = await this.#consumer.expect('basic.deliver');
    await this.#consumer.next();
    await this.#consumer.next();
    return method;
  }

  [Symbol.dispose](): void {
    this.#publisher[Symbol.dispose]();
    this.#consumer[Symbol.dispose]();
  }
}

/** From the queue's pump to the end of the turn, in which sockets are written. */
function pumpOf(entries: readonly Entry[]): readonly Entry[] {
  const start = entries.findIndex(({ name }) => name === 'pump');
  const length = entries.slice(start).findIndex(({ callers }) => callers.length === 0);
  return entries.slice(start, length === -1 ? undefined : start + length);
}

async function kafkaScenarios(client: KafkaClient): Promise<Record<'produce' | 'fetch', Scenario>> {
  const topic = 'walked';
  await client.request(createTopics, 5, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
  });
  const records = batchOf(['a value']);
  const send = () =>
    client.request(produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
  await send();
  const session = { id: 0, epoch: 0 };
  const read = async () => {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1024 }];
    const { sessionId } = await client.request(fetch, 12, {
      ...{ maxWaitMs: 1000, minBytes: 1, maxBytes: 1024, topics: [{ topic, partitions }] },
      ...{ sessionId: session.id, sessionEpoch: session.epoch++, forgottenTopicsData: [] },
    });
    session.id = sessionId;
  };
  await read();
  return {
    produce: {
      run: async () => {
        await send();
      },
    },
    fetch: { run: read },
  };
}
