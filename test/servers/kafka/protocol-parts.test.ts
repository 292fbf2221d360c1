import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { describe, it } from 'node:test';

/** Of source, types included: a step of so much takes about 5 ms. */
const STEP_BYTES_MAX = 90_000;

describe('the Kafka protocol, when the first client connects', () => {
  it('is loaded in small steps, and whole after the last of them', async () => {
    // What every broker has loaded.
    await import('../../../src/broker/broker.ts');
    const { loadProtocol, PROTOCOL_PARTS } = await import('../../../src/servers/kafka/protocol.ts');
    let bytes = 0;
    const hooks = registerHooks({
      load(url, context, nextLoad) {
        const loaded = nextLoad(url, context);
        if (url.startsWith('file:')) bytes += Buffer.byteLength(loaded.source ?? '');
        return loaded;
      },
    });
    try {
      const steps: number[] = [];
      for (const part of PROTOCOL_PARTS) {
        bytes = 0;
        await part();
        steps.push(bytes);
      }
      const total = steps.reduce((sum, each) => sum + each, 0);
      assert.ok(total > 3 * STEP_BYTES_MAX, `${total} bytes in all`);
      assert.ok(Math.max(...steps) <= STEP_BYTES_MAX, `steps of ${steps} bytes`);
      bytes = 0;
      await loadProtocol();
      assert.ok(bytes <= STEP_BYTES_MAX, `${bytes} bytes after the last step`);
    } finally {
      hooks.deregister();
    }
  });
});
