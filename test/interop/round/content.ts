import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Client } from '../client.ts';
import { Recorder } from './recorder.ts';
import { type Check, Inbox, type World, within } from './world.ts';

const LARGE_BYTES = 5_000_000;

/** What is inside of messages. `headers` has every field type that the library can write. */
export function contentChecks(client: Client, headers: Record<string, unknown>): readonly Check[] {
  return [
    {
      title: 'headers and properties come out as they went in, byte for byte, pushed and fetched',
      run: async (world) => {
        const recorder = new Recorder(world.url);
        const connection = await client.connect(await recorder.open());
        try {
          const channel = await connection.confirmChannel();
          const { queue } = await channel.declareQueue('', { exclusive: true });
          const inbox = new Inbox();
          for (const persistent of [false, true])
            await channel.publish('', queue, 'x', { persistent, headers, correlationId: 'größer' });
          const fetched = await channel.get(queue, { noAck: true });
          await channel.consume(queue, inbox.push, { noAck: true });
          const [pushed] = await inbox.take(1);
          assert.deepEqual(pushed.headers, fetched?.headers);
          assert.deepEqual(Object.keys(pushed.headers), Object.keys(headers));
          assert.equal(pushed.correlationId, 'größer');
          assert.equal(recorder.sent.headers.length, 2);
          assert.deepEqual(recorder.received.headers.map(hex), recorder.sent.headers.map(hex));
        } finally {
          await connection.close();
          recorder.close();
        }
      },
    },
    {
      title: 'an empty body and one of many frames arrive whole',
      run: async (world) => {
        const large = Buffer.alloc(LARGE_BYTES);
        for (let i = 0; i < large.length; i += 4) large.writeUInt32BE(i, i);
        const queue = await world.queue();
        const inbox = new Inbox();
        await world.channel.consume(queue, inbox.push, { noAck: true });
        await publishBoth(world, queue, large);
        const [empty, whole] = await inbox.take(2);
        assert.equal(empty.body.length, 0);
        assert.equal(digest(whole.body), digest(large));

        const fetched = await world.queue();
        await publishBoth(world, fetched, large);
        assert.equal((await world.channel.get(fetched, { noAck: true }))?.body.length, 0);
        const last = await world.channel.get(fetched, { noAck: true });
        assert.equal(digest(last!.body), digest(large));
      },
    },
  ];
}

async function publishBoth(world: World, queue: string, large: Buffer): Promise<void> {
  await within(
    Promise.all([
      world.confirms.publish('', queue, Buffer.alloc(0)),
      world.confirms.publish('', queue, large, { persistent: true }),
    ]),
    'the confirms',
  );
}

function digest(body: Buffer): string {
  return `${body.length} bytes ${createHash('sha256').update(body).digest('hex')}`;
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}
