import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Broker } from '../../../../src/broker/broker.ts';
import { REFUSED } from '../../../../src/broker/publishing/publisher.ts';
import { PublisherConfirms } from '../../../../src/servers/amqp091/publish/publisher-confirms.ts';
import { NEVER_PAUSED, SlowConnection } from './slow-connection.ts';

describe('the output of a connection', () => {
  it('has one write under way, and all that comes meanwhile is the next one', async () => {
    const connection = new SlowConnection();
    const { socket, output, budget } = connection;
    for (let i = 0; i < 1000; i++) {
      output.bytes(Buffer.from(`${i},`));
      connection.turn();
    }
    assert.deepEqual(socket.written.map(String), ['0,']);
    const all = Array.from({ length: 1000 }, (_, i) => `${i},`).join('');
    assert.equal(output.queuedBytes, all.length);
    assert.equal(budget.bytes, all.length);
    await socket.takeWrite();
    assert.equal(socket.written.length, 2);
    assert.equal(Buffer.concat(socket.written).toString(), all);
    await socket.takeWrite();
    assert.deepEqual([output.queuedBytes, budget.bytes], [0, 0]);
    output.bytes(Buffer.from('more'));
    connection.turn();
    assert.equal(String(socket.written[2]), 'more');
  });

  it('is written to its end when it ends, though the socket has not taken what is before', async () => {
    const connection = new SlowConnection();
    const { socket, output } = connection;
    for (const text of ['first ', 'second ', 'last']) {
      output.bytes(Buffer.from(text));
      connection.turn();
    }
    output.end();
    for (let i = 0; i < 3; i++) await socket.takeWrite();
    assert.equal(Buffer.concat(socket.written).toString(), 'first second last');
    assert.ok(socket.writableFinished);
  });

  it('has one confirm for all messages that were published while the client did not read', async () => {
    const connection = new SlowConnection();
    const { socket, output } = connection;
    const confirms = new PublisherConfirms({} as Broker, output, 1, NEVER_PAUSED);
    for (let i = 0; i < 10_000; i++) {
      confirms.published(0);
      connection.turn();
    }
    assert.deepEqual(connection.methods, ['basic.ack 1']);
    assert.equal(output.queuedBytes, socket.writableLength);
    await socket.takeWrite();
    assert.deepEqual(connection.methods, ['basic.ack 1', 'basic.ack 10000 multiple']);
  });

  it('has the basic.nack of each refused message, and counts as not read with them', async () => {
    const connection = new SlowConnection();
    const { socket, output } = connection;
    const confirms = new PublisherConfirms({} as Broker, output, 1, NEVER_PAUSED);
    confirms.published(0);
    connection.turn();
    for (let i = 0; i < 3000; i++) {
      confirms.published(REFUSED);
      connection.turn();
    }
    // Those that have not become output yet are few.
    assert.ok(output.queuedBytes > 2000 * 21, `${output.queuedBytes} bytes`);
    await socket.takeWrite();
    const expected = Array.from({ length: 3000 }, (_, i) => `basic.nack ${i + 2}`);
    assert.deepEqual(connection.methods, ['basic.ack 1', ...expected]);
  });
});
