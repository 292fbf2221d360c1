import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { readShared, readsAreShared } from '../../../src/servers/listener/shared-read-buffer.ts';

test('this Node lets accepted sockets share the memory that they are read to', () => {
  assert.ok(readsAreShared);
});

test('what has come before a socket is read is not lost', async () => {
  const received: string[] = [];
  const server = createServer((socket) => {
    setTimeout(() => readShared(socket, (bytes) => received.push(String(bytes))), 100);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  client.write('early');
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.end('late');
  await once(client, 'close');
  assert.equal(received.join(''), 'earlylate');
  server.close();
});

test('sockets that share memory get all of their own bytes, in order, over pauses, and their end', async () => {
  const results: Promise<number>[] = [];
  const server = createServer((socket) => {
    let next = 0;
    readShared(socket, (bytes) => {
      for (let at = 0; at < bytes.length; at++)
        if (bytes[at] !== (next + at) % 251) throw new Error('mixed up');
      next += bytes.length;
      if (next % 3 !== 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    results.push(once(socket, 'end').then(() => next));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => at % 251));
  const clients = Array.from({ length: 5 }, () => connect({ port, host: '127.0.0.1', noDelay: true }));
  for (const client of clients) {
    for (let at = 0; at < bytes.length; at += 10_007) client.write(bytes.subarray(at, at + 10_007));
    client.end();
  }
  await Promise.all(clients.map((client) => once(client, 'close')));
  assert.deepEqual(
    await Promise.all(results),
    clients.map(() => bytes.length),
  );
  server.close();
});
