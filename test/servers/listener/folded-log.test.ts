import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FoldedLog } from '../../../src/servers/listener/folded-log.ts';
import type { ListenerLog } from '../../../src/servers/listener/listener.ts';

function noted(): { readonly log: FoldedLog; readonly lines: string[] } {
  const lines: string[] = [];
  const note = (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: note, info: note, warn: note, error: note } as unknown as ListenerLog;
  return { log: new FoldedLog(log), lines };
}

describe('the log of what clients cause', () => {
  it('has the first lines about a client as they are, and the number of the others in one', () => {
    const { log, lines } = noted();
    for (let i = 0; i < 500; i++) log.warn({ peer: '10.0.0.1', user: `u${i}` }, 'login refused');
    log.warn({ peer: '10.0.0.2', user: 'ada' }, 'login refused');
    log.info({ peer: '10.0.0.1' }, 'handshake not finished');
    assert.equal(lines.length, 22);
    log.flush();
    assert.equal(lines.length, 23);
    assert.equal(lines.at(-1), 'login refused {"peer":"10.0.0.1","repeats":480}');
  });

  it('begins anew after a flush', () => {
    const { log, lines } = noted();
    for (let i = 0; i < 30; i++) log.warn({ user: 'ada' }, 'closing connection');
    log.flush();
    log.warn({ user: 'ada' }, 'closing connection');
    assert.equal(lines.length, 22);
    log.flush();
    assert.equal(lines.length, 22);
  });

  it('is bounded for many clients too', () => {
    const { log, lines } = noted();
    for (let i = 0; i < 20_000; i++) log.warn({ peer: `10.0.${i >> 8}.${i & 255}` }, 'login refused');
    log.flush();
    assert.ok(lines.length < 1010, `${lines.length}`);
    assert.ok(lines.includes('login refused {"repeats":19000}'), lines.at(-1));
  });

  it('has every line for whoever asks for debug', () => {
    const { log, lines } = noted();
    for (let i = 0; i < 100; i++) log.debug({ peer: '10.0.0.1' }, 'socket failed');
    assert.equal(lines.length, 100);
  });
});
