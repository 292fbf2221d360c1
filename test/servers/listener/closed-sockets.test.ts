import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Listener } from '../../../src/servers/listener/listener.ts';
import { readShared } from '../../../src/servers/listener/shared-read-buffer.ts';

const CONNECTIONS = 150;
/** Of what a connection has. */
const ELEMENTS = 10_000;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;

describe('a closed socket', () => {
  it('does not keep what listened to it until the next full collection', async () => {
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    };
    let closed = 0;
    const listener = await Listener.listen(
      {
        on: { host: '127.0.0.1', port: 0 },
        tls: null,
        handshakeTimeoutMs: 5000,
        closeTimeoutMs: 200,
        maxConnections: 100,
        maxConnectionsPerAddress: 100,
        trustedProxies: null,
        log: log as never,
      },
      ({ socket }) => {
        const state = new Array<number>(ELEMENTS).fill(1);
        readShared(socket, () => socket.end(String(state.length)));
        socket.once('close', () => {
          closed += state.length;
        });
      },
    );
    try {
      gc({ type: 'major' });
      const before = process.memoryUsage().heapUsed;
      for (let index = 0; index < CONNECTIONS; index++) {
        const client = connect(listener.port, '127.0.0.1');
        client.resume().end('x');
        await once(client, 'close');
      }
      while (closed < CONNECTIONS * ELEMENTS) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise(setImmediate);
      for (let times = 0; times < 3; times++) gc({ type: 'minor' });
      const kept = process.memoryUsage().heapUsed - before;
      // All of them: 12 MB.
      assert.ok(kept < (CONNECTIONS * ELEMENTS * 8) / 4, `${kept} bytes are kept`);
    } finally {
      await listener.close(() => undefined);
    }
  });
});
