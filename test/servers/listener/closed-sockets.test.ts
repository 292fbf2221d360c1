import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readShared } from '../../../src/servers/listener/shared-read-buffer.ts';
import { until } from '../../support/until.ts';
import { EchoServer } from './echo-server.ts';

const CONNECTIONS = 150;
/** Of what a connection has. */
const ELEMENTS = 10_000;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;

describe('a closed socket', () => {
  it('does not keep what listened to it until the next full collection', async () => {
    let closed = 0;
    await using server = await EchoServer.start({}, ({ socket }) => {
      const state = new Array<number>(ELEMENTS).fill(1);
      readShared(socket, () => socket.end(String(state.length)));
      socket.once('close', () => {
        closed += state.length;
      });
    });
    gc({ type: 'major' });
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < CONNECTIONS; index++) {
      const client = server.connect();
      client.resume().end('x');
      await once(client, 'close');
    }
    await until(() => closed === CONNECTIONS * ELEMENTS);
    await new Promise(setImmediate);
    for (let times = 0; times < 3; times++) gc({ type: 'minor' });
    const kept = process.memoryUsage().heapUsed - before;
    // All of them: 12 MB.
    assert.ok(kept < (CONNECTIONS * ELEMENTS * 8) / 4, `${kept} bytes are kept`);
  });
});
