import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { writeList } from '../../src/admin/list-writer.ts';
import { systemScheduler } from '../../src/base/scheduler.ts';
import { TurnTime } from '../../src/base/turn-time.ts';

/** Items that take 0.1 ms each on a clock that nothing else moves. */
class Items {
  asked = 0;
  ms = 0;
  readonly time = new TurnTime({ now: () => this.ms, monotonicMs: () => this.ms }, systemScheduler);

  *list(count: number): Iterable<{ readonly item: number; readonly text: string }> {
    while (this.asked < count) {
      this.ms += 0.1;
      yield { item: this.asked++, text: 'x'.repeat(1000) };
    }
  }
}

function response(): PassThrough & ServerResponse {
  return new PassThrough() as PassThrough & ServerResponse;
}

async function read(stream: PassThrough): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

describe('a list of an administrator', () => {
  it('is made in slices of the event loop, and comes whole', async () => {
    const items = new Items();
    const stream = response();
    const written = writeList(stream, items.list(1000), items.time);
    const body = read(stream);
    let isWritten = false;
    written.then(() => {
      isWritten = true;
    });
    let before = 0;
    while (!isWritten) {
      assert.ok(items.asked - before <= 80, `${items.asked - before} items in one iteration`);
      before = items.asked;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const list = (await body) as { readonly item: number }[];
    assert.deepEqual(
      list.map(({ item }) => item),
      Array.from({ length: 1000 }, (_, item) => item),
    );
  });

  it('is made no faster than the client reads it, and not at all when the client is gone', async () => {
    const items = new Items();
    const stream = response();
    const written = writeList(stream, items.list(1000), items.time);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(items.asked < 200, `${items.asked} items`);
    stream.destroy();
    await written;
    assert.ok(items.asked < 200, `${items.asked} items`);
  });

  it('is an empty array if there is nothing', async () => {
    const items = new Items();
    const stream = response();
    await writeList(stream, [], items.time);
    assert.deepEqual(await read(stream), []);
  });
});
