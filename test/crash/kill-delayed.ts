import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import { call, type Load, makeBody, pause, readBody, TX } from './kill-clients.ts';
import { type Feature, patiently, publishTo, took } from './kill-feature.ts';
import { KillHistory } from './kill-history.ts';

const EXCHANGE = 'later';
const QUEUE = 'later';
const DELAY_MS_MAX = 1500;
/** The clock may be slewed a little. */
const TOLERANCE_MS = 2;
const LAST = 'last';
const LAST_DELAY_MS = 100;

interface Sent {
  readonly atMs: number;
  readonly delayMs: number;
}

/** An exchange that delays: what it confirmed arrives, once, and not before its time, which goes on while nothing runs. */
export class DelayedFeature implements Feature {
  readonly queues = [QUEUE];
  readonly #history = new KillHistory({ moves: true });
  readonly #sent = new Map<string, Sent>();

  async declare(channel: Channel): Promise<void> {
    await channel.assertExchange(EXCHANGE, 'x-delayed-message', {
      durable: true,
      arguments: { 'x-delayed-type': 'direct' },
    });
    await channel.assertQueue(QUEUE, { durable: true });
    await channel.bindQueue(QUEUE, EXCHANGE, QUEUE);
  }

  clients(
    load: Load,
    [first, second, third]: readonly [ChannelModel, ChannelModel, ChannelModel],
  ): Promise<void>[] {
    return [
      publishTo(load, second, this.#history, { place: QUEUE, publisher: 'd1' }, (sequence) => ({
        exchange: EXCHANGE,
        key: QUEUE,
        options: { headers: { 'x-delay': this.#delay('d1', sequence, load.random()) } },
      })),
      this.#publishInTransactions(load, third),
      this.#consume(load, first),
    ];
  }

  lifeEnds(): void {
    this.#history.lifeEnds();
  }

  /**
   * What was confirmed is waited for; then, as nobody says that nothing waits any more, a message that comes due after all others. What
   * was not confirmed, and is there, has come before it.
   */
  async end(load: Load, connection: ChannelModel): Promise<void> {
    const latest = Math.max(0, ...[...this.#sent.values()].map(({ atMs, delayMs }) => atMs + delayMs));
    const channel = await connection.createChannel();
    let hasEnded = false;
    await channel.consume(QUEUE, (message) => {
      if (message === null) return;
      if (message.properties.messageId === LAST) hasEnded = true;
      else this.#take(load, message);
      channel.ack(message);
    });
    await patiently(() => this.#history.missingCount === 0 && Date.now() > latest);
    const headers = { 'x-delay': LAST_DELAY_MS };
    channel.publish(EXCHANGE, QUEUE, Buffer.alloc(0), { persistent: true, messageId: LAST, headers });
    await patiently(() => hasEnded);
    if (!hasEnded) throw new HistoryError('the delayed message that comes due last did not come');
    await channel.close();
    this.#history.checkAll();
  }

  #delay(publisher: string, sequence: number, random: number): number {
    const delayMs = Math.floor(random ** 3 * DELAY_MS_MAX);
    this.#sent.set(`${publisher} ${sequence}`, { atMs: Date.now(), delayMs });
    return delayMs;
  }

  async #publishInTransactions(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await call(channel, TX.select);
    while (!load.isOver) {
      const tx = this.#history.begin();
      for (let i = Math.floor(load.random() * 4); i > 0; i--) {
        const sequence = load.nextSequence('dx');
        this.#history.published('dx', sequence, [QUEUE], tx);
        const headers = { 'x-delay': this.#delay('dx', sequence, load.random()) };
        channel.publish(EXCHANGE, QUEUE, makeBody('dx', sequence, 80), { persistent: true, headers });
      }
      tx.state = 'committing';
      await call(channel, TX.commit);
      if (!load.isOver) this.#history.committed(tx);
      await pause();
    }
  }

  async #consume(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(50);
    await channel.consume(QUEUE, (message) => {
      if (message === null || load.isOver) return;
      this.#take(load, message);
      channel.ack(message);
    });
  }

  #take(load: Load, message: ConsumeMessage): void {
    const copy = took(load, this.#history, QUEUE, message);
    if (copy === null) return;
    copy.ack = 'sent';
    const { publisher, sequence } = readBody(message.content);
    const { atMs, delayMs } = this.#sent.get(`${publisher} ${sequence}`) as Sent;
    const tooEarlyMs = atMs + delayMs - Date.now();
    if (tooEarlyMs > TOLERANCE_MS)
      load.fail(new HistoryError(`message ${sequence} of ${publisher} comes ${tooEarlyMs} ms too early`));
  }
}
