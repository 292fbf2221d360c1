import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

const CHANNELS = 1000;
/** It was 3,100 when each had all that it might ever need. */
const BYTES_MAX = 2600;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe('a channel on which nothing happens', () => {
  it('takes 2 KB, as what most channels never need is made when it is needed', async () => {
    await using test = await TestServer.start();
    using client = await test.raw();
    await client.handshake();
    client.doNotParse();
    const heapWith = async (from: number, to: number): Promise<number> => {
      const before = client.bytesCount;
      for (let channel = from; channel < to; channel++) client.method(channel, { name: 'channel.open' });
      // Each channel.open-ok has 16 bytes.
      await until(() => client.bytesCount - before === 16 * (to - from));
      client.chunks.length = 0;
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapWith(1, 100);
    const bytes = ((await heapWith(100, 100 + CHANNELS)) - before) / CHANNELS;
    assert.ok(bytes < BYTES_MAX, `${bytes} bytes for each channel`);
  });
});
