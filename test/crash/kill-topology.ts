import type { ChannelModel } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import type { Load } from './kill-clients.ts';

type Presence = 'absent' | 'present' | 'doubtful';

/** Declares and deletes durable queues, each bound to an exchange of its own, and knows which there have to be. */
export class KillTopology {
  readonly #objects = new Map<string, Presence>();
  #next = 0;

  /** Goes on until the connection is gone. */
  async churn(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    while (!load.isOver) {
      const present = [...this.#objects]
        .filter(([, presence]) => presence === 'present')
        .map(([name]) => name);
      if (present.length < 5 || load.random() < 0.5) {
        const name = `t${this.#next++}`;
        this.#objects.set(name, 'doubtful');
        await channel.assertExchange(name, 'topic', { durable: true });
        await channel.assertQueue(name, { durable: true });
        await channel.bindQueue(name, name, 'a.#');
        if (!load.isOver) this.#objects.set(name, 'present');
      } else {
        const name = present[Math.floor(load.random() * present.length)];
        this.#objects.set(name, 'doubtful');
        await channel.deleteQueue(name);
        await channel.deleteExchange(name);
        if (!load.isOver) this.#objects.set(name, 'absent');
      }
    }
  }

  /** After a restart, for the newest ones: what was answered is so; what was not is found out. */
  async check(connection: ChannelModel): Promise<void> {
    for (const [name, presence] of [...this.#objects].slice(-12)) {
      const hasQueue = await exists(connection, (channel) => channel.checkQueue(name));
      const hasExchange = await exists(connection, (channel) => channel.checkExchange(name));
      if (presence === 'present' && !(hasQueue && hasExchange)) throw new HistoryError(`${name} is gone`);
      if (presence === 'absent' && (hasQueue || hasExchange))
        throw new HistoryError(`${name} is there again`);
      if (presence === 'present') await checkRoute(connection, name);
    }
  }
}

type Probe = (channel: Awaited<ReturnType<ChannelModel['createChannel']>>) => Promise<unknown>;

async function exists(connection: ChannelModel, probe: Probe): Promise<boolean> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    await probe(channel);
  } catch {
    return false; // with the channel
  }
  await channel.close();
  return true;
}

async function checkRoute(connection: ChannelModel, name: string): Promise<void> {
  const channel = await connection.createConfirmChannel();
  channel.publish(name, 'a.b', Buffer.from(name), { persistent: false });
  await channel.waitForConfirms();
  const message = await channel.get(name, { noAck: true });
  if (message === false || message.content.toString() !== name) {
    throw new HistoryError(`${name} is not bound any more`);
  }
  await channel.close();
}
