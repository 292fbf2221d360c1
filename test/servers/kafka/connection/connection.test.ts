import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { ERROR_CODES, errorName } from '../../../../src/wire/kafka/error-codes.ts';
import { apiVersions } from '../../../../src/wire/kafka/messages/api-versions.ts';
import { fetch } from '../../../../src/wire/kafka/messages/fetch.ts';
import { metadata } from '../../../../src/wire/kafka/messages/metadata.ts';
import { produce } from '../../../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../../broker/streams/batches.ts';
import { until } from '../../../support/until.ts';
import type { KafkaClient } from '../kafka-client.ts';
import { KafkaTestServer } from '../test-server.ts';

const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };
const NOTHING_ASKED = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false };

function frame(...bytes: number[]): Buffer {
  const result = Buffer.alloc(4 + bytes.length);
  result.writeInt32BE(bytes.length);
  result.set(bytes, 4);
  return result;
}

async function makeTopic(client: KafkaClient, name: string, numPartitions: number): Promise<void> {
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const response = await client.request(createTopics, 7, { topics: [topic] });
  assert.equal(response.topics[0]?.errorMessage, null);
}

describe('a Kafka connection', () => {
  it('is told which APIs and versions are served, in every version of the question', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    for (let version = 0; version <= 4; version++) {
      const response = await client.request(apiVersions, version, SOFTWARE);
      assert.equal(errorName(response.errorCode), 'NONE');
      const own = response.apiKeys.find(({ apiKey }) => apiKey === apiVersions.key);
      assert.deepEqual(own, { apiKey: 18, minVersion: 0, maxVersion: 4 });
      const keys = response.apiKeys.map(({ apiKey }) => apiKey);
      assert.deepEqual(
        keys,
        [...new Set(keys)].sort((a, b) => a - b),
      );
    }
  });

  it('is answered in version 0 when it asks for versions in a version that nobody knows (KIP-511)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const { bytes } = client.encode(apiVersions, 4, SOFTWARE);
    bytes.writeInt16BE(99, 6);
    const answer = once(client.socket.removeAllListeners('data'), 'data');
    client.socket.write(bytes);
    const [response] = (await answer) as [Buffer];
    assert.equal(response.readInt16BE(8), 35);
    assert.equal(response.readInt32BE(10), 1);
    assert.equal(response.readInt16BE(14), apiVersions.key);
  });

  it('is told when the name of its software is invalid (KIP-511)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const response = await client.request(apiVersions, 3, { ...SOFTWARE, clientSoftwareName: '-no-' });
    assert.equal(errorName(response.errorCode), 'INVALID_REQUEST');
  });

  const endings: readonly (readonly [what: string, bytes: Buffer])[] = [
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a length beyond the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['an empty frame', frame()],
    ['a header that ends too early', frame(0, 18, 0)],
    ['an API that Kafka does not have', frame(3, 0xe7, 0, 0, 0, 0, 0, 1, 0xff, 0xff)],
    ['an API that only brokers serve one another', frame(0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff)],
    ['a version that is not served', frame(0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0)],
    ['a body that ends too early', frame(0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0)],
    [
      'an array that is longer than the frame',
      frame(0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff),
    ],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['AMQP', Buffer.from('AMQP\0\0\x09\x01')],
  ];
  for (const [what, bytes] of endings) {
    it(`ends with ${what}, and nobody else's does`, async () => {
      await using test = await KafkaTestServer.start();
      using other = await test.connect();
      await other.request(apiVersions, 4, SOFTWARE);
      using client = await test.connect();
      // HTTP is answered with HTTP, which is no frame.
      client.socket.removeAllListeners('data').resume().write(bytes);
      await client.closed();
      await other.request(apiVersions, 4, SOFTWARE);
      await until(() => test.server.connectionCount === 1);
    });
  }

  it('may leave bytes behind a request, as librdkafka does', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const answer = once(client.socket.removeAllListeners('data'), 'data');
    client.socket.write(frame(0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 1, 2, 3));
    const [response] = (await answer) as [Buffer];
    assert.equal(response.readInt16BE(8), 0);
  });

  it('understands requests whatever pieces they come in', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const bytes = client.encode(metadata, 12, { topics: [], ...NOTHING_ASKED }).bytes;
    const answers: Buffer[] = [];
    client.socket.removeAllListeners('data').on('data', (chunk) => answers.push(chunk));
    for (let cut = 1; cut < bytes.length; cut++) {
      client.socket.write(bytes.subarray(0, cut));
      await new Promise(setImmediate);
      client.socket.write(bytes.subarray(cut));
    }
    for (const byte of bytes) client.socket.write(Buffer.from([byte]));
    const size = () => answers.reduce((sum, { length }) => sum + length, 0);
    await until(() => size() > 4);
    const one = 4 + Buffer.concat(answers).readInt32BE(0);
    await until(() => size() === one * bytes.length);
  });

  it('gets its responses in the order of its requests, though some take longer', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await makeTopic(client, 't', 1);
    const order: string[] = [];
    const slow = client
      .request(fetch, 12, {
        maxWaitMs: 150,
        minBytes: 1,
        topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
        forgottenTopicsData: [],
      })
      .then(() => order.push('slow'));
    const fast = client.request(apiVersions, 4, SOFTWARE).then(() => order.push('fast'));
    await Promise.all([slow, fast]);
    assert.deepEqual(order, ['slow', 'fast']);
  });

  it('is not read on while it does not read, and misses nothing when it does', async () => {
    await using test = await KafkaTestServer.start({ outputHighWaterBytes: 64 * 1024 });
    using client = await test.connect();
    await makeTopic(client, 't', 500);
    client.socket.pause();
    const count = 700;
    const responses = Array.from({ length: count }, () =>
      client.request(metadata, 12, { topics: null, ...NOTHING_ASKED }),
    );
    await until(() => [...test.broker.connections].some((each) => each.describe().queuedBytes > 64 * 1024));
    const [session] = test.broker.connections;
    // The operating system takes some megabytes before it takes no more.
    await until(() => session?.describe().state === 'flow');
    // One answer takes some ten thousand bytes; all of them would be nine million.
    assert.ok((session?.describe().queuedBytes ?? 0) < 2_000_000, String(session?.describe().queuedBytes));
    client.socket.resume();
    for (const { topics } of await Promise.all(responses)) assert.equal(topics[0]?.partitions.length, 500);
  });

  it('is not read on while what it has produced is too much for the broker', async () => {
    let residentBytes = 0;
    const limits = { memoryHighWaterBytes: 1000, residentBytes: () => residentBytes };
    await using test = await KafkaTestServer.start({}, limits);
    using client = await test.connect();
    using other = await test.connect();
    await makeTopic(client, 't', 1);
    residentBytes = 2000;
    await until(() => test.broker.shard.alarms.isBlocking);
    const records = batchOf(['a']);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    const refused = await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    const [answer] = refused.responses[0].partitionResponses;
    assert.equal(answer.errorCode, ERROR_CODES.NOT_ENOUGH_REPLICAS);
    assert.equal(answer.errorMessage, 'producers are blocked while memory is short');
    // As one of very many batches, which is a work.
    using third = await test.connect();
    const many = Array.from({ length: 2000 }, () => ({ index: 0, records }));
    const all = await third.request(produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: many }],
    });
    assert.ok(
      all.responses[0].partitionResponses.every(
        ({ errorCode }) => errorCode === ERROR_CODES.NOT_ENOUGH_REPLICAS,
      ),
    );
    assert.equal(test.broker.streams.get('/', 't')?.ownPartitions[0].endOffset, 0);
    let isAnswered = false;
    const next = client.request(apiVersions, 4, SOFTWARE).then(() => {
      isAnswered = true;
    });
    // Who does not produce is served.
    for (let i = 0; i < 20; i++) await other.request(apiVersions, 4, SOFTWARE);
    assert.equal(isAnswered, false);
    residentBytes = 0;
    await next;
  });

  it('takes thousands of requests at once, and no more memory than for some of them', async () => {
    await using test = await KafkaTestServer.start({ requestsMax: 10 });
    using client = await test.connect();
    await makeTopic(client, 't', 1);
    const responses = await Promise.all(
      Array.from({ length: 5000 }, (_, index) =>
        index % 1000 === 0
          ? client.request(metadata, 12, { topics: null, ...NOTHING_ASKED })
          : client.request(apiVersions, 4, SOFTWARE),
      ),
    );
    assert.equal(responses.length, 5000);
  });

  it('is dropped if it takes nothing of what it has asked for', async () => {
    await using test = await KafkaTestServer.start({
      stalledPeerTimeoutMs: 100,
      outputHighWaterBytes: 64 * 1024,
    });
    using client = await test.connect();
    await makeTopic(client, 't', 1000);
    client.socket.pause();
    // Far more than the buffers of the two sockets hold.
    for (let i = 0; i < 1000; i++) {
      client.request(metadata, 12, { topics: null, ...NOTHING_ASKED }).catch(() => undefined);
    }
    await until(() => test.server.connectionCount === 0);
  });

  it('is closed when it was idle for long, and not while it waits for an answer', async () => {
    await using test = await KafkaTestServer.start({ idleTimeoutMs: 300 });
    using waiting = await test.connect();
    await makeTopic(waiting, 't', 1);
    using idle = await test.connect();
    const answer = waiting.request(fetch, 12, {
      maxWaitMs: 900,
      minBytes: 1,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
      forgottenTopicsData: [],
    });
    await idle.closed();
    assert.equal(waiting.isClosed, false);
    await answer;
    await waiting.closed();
  });

  it('is one of the connections that operators see, with the software that it has named (KIP-511)', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect('me');
    await client.request(apiVersions, 4, SOFTWARE);
    await client.request(metadata, 12, { topics: [], ...NOTHING_ASKED });
    const [session] = test.broker.connections;
    assert.equal(session?.describe().protocol, 'Kafka');
    assert.deepEqual(session?.describe().clientProperties, { connection_name: 'me', product: 'test 1.0' });
    session?.close('enough');
    await client.closed();
    await until(() => test.broker.connections.size === 0);
  });

  it('beyond the limit is closed at once', async () => {
    await using test = await KafkaTestServer.start({ maxConnections: 1 });
    using first = await test.connect();
    await first.request(apiVersions, 4, SOFTWARE);
    using second = await test.connect();
    await second.closed();
    await first.request(apiVersions, 4, SOFTWARE);
  });

  it('that hangs up in the middle of a request leaves nothing behind', async () => {
    await using test = await KafkaTestServer.start();
    for (let i = 0; i < 20; i++) {
      using client = await test.connect();
      const { bytes } = client.encode(metadata, 12, { topics: null, ...NOTHING_ASKED });
      client.socket.write(bytes.subarray(0, i + 1));
      await new Promise(setImmediate);
    }
    await until(() => test.server.connectionCount === 0 && test.broker.connections.size === 0);
  });
});
