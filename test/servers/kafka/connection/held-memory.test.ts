import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Budget } from '../../../../src/broker/budget/budget.ts';
import { metadata } from '../../../../src/wire/kafka/messages/metadata.ts';
import { until } from '../../../support/until.ts';
import { KafkaTestServer } from '../test-server.ts';

const MIB = 2 ** 20;

function limitedTo(bytesMax: number, userBytesMax: number): { budget: Budget } {
  return { budget: new Budget({ memory: { bytesMax, userBytesMax, pausedMsMax: 60_000 } }) };
}

/** A request of which `sent` bytes come. */
async function partOfRequest(test: KafkaTestServer, announced: number, sent: number): Promise<Socket> {
  const socket = connect(test.server.port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  const bytes = Buffer.alloc(4 + sent);
  bytes.writeInt32BE(announced);
  socket.write(bytes);
  return socket;
}

async function askMetadata(test: KafkaTestServer): Promise<void> {
  using client = await test.connect();
  await client.request(metadata, 9, { topics: [], allowAutoTopicCreation: false });
}

describe('a request of which only a part has come', () => {
  it('holds as much as has come, not as much as was announced, and nothing when its connection is gone', async () => {
    await using test = await KafkaTestServer.start();
    const { memory } = test.broker.budget;
    const sockets: Socket[] = [];
    for (let i = 0; i < 10; i++) sockets.push(await partOfRequest(test, 100 * MIB, 100_000));
    await until(() => memory.bytes >= 10 * 100_000);
    assert.ok(memory.bytes < 10 * MIB, `${memory.bytes}`);
    for (const socket of sockets) socket.destroy();
    await until(() => memory.userCount === 0);
    assert.equal(memory.bytes, 0);
  });

  it('ends its connection when the rest does not come', async () => {
    await using test = await KafkaTestServer.start({ unfinishedInputTimeoutMs: 200 });
    const socket = await partOfRequest(test, 100 * MIB, 100_000);
    socket.resume();
    await once(socket, 'close');
    await until(() => test.broker.budget.memory.userCount === 0);
    assert.equal(test.broker.budget.memory.bytes, 0);
  });

  it('is not read on beyond the share of its user, of which all together hold no more; others are served', async () => {
    await using test = await KafkaTestServer.start({}, limitedTo(32 * MIB, 2 * MIB));
    const { memory } = test.broker.budget;
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      // Logged in: what is not may have 512 KiB a connection.
      const client = await test.connect();
      await client.request(metadata, 9, { topics: [], allowAutoTopicCreation: false });
      const bytes = Buffer.alloc(4 * MIB);
      bytes.writeInt32BE(90 * MIB);
      client.socket.write(bytes);
      sockets.push(client.socket);
    }
    await until(() => sockets.filter(({ writableLength }) => writableLength > 0).length >= 10);
    assert.ok(memory.bytes < 30 * MIB, `${memory.bytes}`);
    await askMetadata(test);
    for (const socket of sockets) socket.destroy();
    await until(() => memory.userCount === 0);
    assert.equal(memory.bytes, 0);
  });
});
