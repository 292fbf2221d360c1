import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import { call, type Load, makeBody, pause, TX } from './kill-clients.ts';
import { countIn, type Feature, patiently, publishTo, takeAll, took } from './kill-feature.ts';
import { type Copy, KillHistory } from './kill-history.ts';

const WAIT = 'chain.wait';
const SHORT = 'chain.short';
const DEAD = 'chain.dead';
const EXCHANGE = 'chain';
const TTL_MS = 60;
const LENGTH_MAX = 15;

/** All queues of the chain are one place: which of them a message is in just now nobody knows. */
const PLACE = 'the chain';

/**
 *     publishers, transactions ──▶ wait ──▶ short ──▶ dead ──▶ consumers, transactions
 *                                   expired   too many, or rejected
 *
 * Each confirmed message is in exactly one of these queues, or was acknowledged.
 */
export class ChainFeature implements Feature {
  readonly queues = [WAIT, SHORT, DEAD];
  readonly #history = new KillHistory({ moves: true });

  async declare(channel: Channel): Promise<void> {
    await channel.assertExchange(EXCHANGE, 'direct', { durable: true });
    await channel.assertQueue(DEAD, { durable: true });
    await channel.assertQueue(SHORT, {
      durable: true,
      arguments: {
        'x-max-length': LENGTH_MAX,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': DEAD,
      },
    });
    await channel.assertQueue(WAIT, {
      durable: true,
      arguments: {
        'x-message-ttl': TTL_MS,
        'x-dead-letter-exchange': EXCHANGE,
        'x-dead-letter-routing-key': SHORT,
      },
    });
    await channel.bindQueue(SHORT, EXCHANGE, SHORT);
  }

  clients(load: Load, [first, second]: readonly [ChannelModel, ChannelModel, ChannelModel]): Promise<void>[] {
    return [
      publishTo(load, first, this.#history, { place: PLACE, publisher: 'c1' }, (sequence) => ({
        exchange: '',
        key: sequence % 5 === 0 ? SHORT : WAIT,
        options: sequence % 3 === 0 ? { expiration: sequence % 50 } : {},
      })),
      this.#workInTransactions(load, second),
      this.#reject(load, first),
      this.#consume(load, second),
    ];
  }

  lifeEnds(): void {
    this.#history.lifeEnds();
  }

  async end(load: Load, connection: ChannelModel): Promise<void> {
    await patiently(async () => (await countIn(connection, WAIT)) === 0);
    for (const queue of [SHORT, DEAD]) {
      await takeAll(load, connection, this.#history, { place: PLACE, queue }, (message) =>
        checkDeaths(message, queue),
      );
    }
    this.#history.checkAll();
  }

  /** Publishes in transactions that acknowledge as well, and takes some back. */
  async #workInTransactions(load: Load, connection: ChannelModel): Promise<void> {
    const history = this.#history;
    const { random } = load;
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await call(channel, TX.select);
    await channel.prefetch(30);
    const held: { readonly message: ConsumeMessage; readonly copy: Copy }[] = [];
    await channel.consume(DEAD, (message) => {
      const copy = message === null || load.isOver ? null : took(load, history, PLACE, message);
      if (copy !== null) held.push({ message: message!, copy });
    });
    while (!load.isOver) {
      const tx = history.begin();
      for (let i = Math.floor(random() * 5); i > 0; i--) {
        const sequence = load.nextSequence('cx');
        history.published('cx', sequence, [PLACE], tx);
        const limit = random() < 0.3 ? { expiration: Math.floor(random() * 40) } : {};
        channel.sendToQueue(WAIT, makeBody('cx', sequence, 100), { persistent: true, ...limit });
      }
      const acknowledged = held.splice(0, Math.floor(random() * 8));
      for (const { message, copy } of acknowledged) {
        copy.ack = 'sent';
        tx.acknowledged.push(copy);
        channel.ack(message);
      }
      if (random() < 0.8) {
        tx.state = 'committing';
        await call(channel, TX.commit);
        if (!load.isOver) history.committed(tx);
      } else {
        await call(channel, TX.rollback);
        if (load.isOver) return;
        history.rolledBack(tx);
        held.unshift(...acknowledged);
      }
      await pause();
    }
  }

  /** Rejects what is in the short queue, and so has it go on. */
  async #reject(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(5);
    await channel.consume(SHORT, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, PLACE, message);
      if (copy === null) return;
      if (load.random() < 0.2) {
        copy.ack = 'sent';
        channel.ack(message!);
      } else {
        this.#history.rejected(copy);
        channel.nack(message!, false, false);
      }
    });
  }

  async #consume(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(20);
    await channel.consume(DEAD, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, PLACE, message);
      if (copy === null) return;
      if (load.random() < 0.9) {
        copy.ack = 'sent';
        channel.ack(message!);
      } else {
        this.#history.requeued(copy);
        channel.nack(message!, false, true);
      }
    });
  }
}

interface DeathEntry {
  readonly queue: string;
  readonly count: number;
}

/** It died once in each queue on its way, however often the broker died meanwhile. */
function checkDeaths({ properties }: ConsumeMessage, queue: string): void {
  const deaths = (properties.headers?.['x-death'] ?? []) as unknown as DeathEntry[];
  const path = deaths.map(({ queue, count }) => `${queue} ${count}`).join();
  const paths = queue === DEAD ? [`${SHORT} 1,${WAIT} 1`, `${SHORT} 1`] : [`${WAIT} 1`, ''];
  if (!paths.includes(path)) throw new HistoryError(`a message in ${queue} died so: [${path}]`);
}
