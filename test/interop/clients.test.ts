import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CLIENTS } from './clients.ts';
import { round, runCheck } from './round/round.ts';

/** The real process, as it is started by its users. */
const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

let directory: string;
let broker: ChildProcess;
let url: string;

async function start(): Promise<void> {
  broker = spawn(
    LAUNCHER,
    ['start', '--amqp-port', '0', '--kafka-port', 'off', '--data-dir', join(directory, 'data')],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const [line] = await once(createInterface(broker.stdout!), 'line');
  url = `amqp://guest:guest@${/ amqp=(\S+)/.exec(line)![1]}/`;
}

async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const exited = once(broker, 'exit');
  broker.kill(signal);
  await exited;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-interop-'));
  await start();
});

after(async () => {
  await stop('SIGTERM');
  await rm(directory, { recursive: true });
});

for (const { client, headers } of CLIENTS) {
  describe(`for ${client.name}`, { concurrency: 4 }, () => {
    for (const check of round(client, headers)) {
      it(check.title, () => runCheck(check, client, url));
    }
  });
}

describe('a broker that was killed', () => {
  it('has what it confirmed, and not what was acknowledged and answered', async () => {
    const [{ client }] = CLIENTS;
    let connection = await client.connect(url);
    let channel = await connection.confirmChannel();
    await channel.declareQueue('kept', { durable: true });
    await channel.declareQueue('lost', { durable: false });
    await channel.declareExchange('kept', 'topic', { durable: true });
    await channel.bindQueue('kept', 'kept', 'kept.#');
    for (const body of ['a', 'b', 'c']) await channel.publish('kept', 'kept.it', body, { persistent: true });
    await channel.publish('kept', 'kept.it', 'transient');
    channel.ack((await channel.get('kept'))!.deliveryTag);
    // The confirm of a later message covers what was written before it.
    await channel.publish('', 'kept', 'd', { persistent: true });
    await stop('SIGKILL');

    await start();
    connection = await client.connect(url);
    channel = await connection.confirmChannel();
    await channel.publish('kept', 'kept.it', 'e', { persistent: true });
    const bodies: string[] = [];
    for (;;) {
      const message = await channel.get('kept', { noAck: true });
      if (message === undefined) break;
      bodies.push(message.body.toString());
    }
    assert.deepEqual(bodies, ['b', 'c', 'd', 'e']);
    const lost = await connection.channel();
    await assert.rejects(lost.checkQueue('lost'), /404/);
    await connection.close();
  });
});
