import type { Channel, ChannelModel } from 'amqplib';
import type { Load } from './kill-clients.ts';
import { type Feature, patiently, publishTo, takeAll, took } from './kill-feature.ts';
import { KillHistory } from './kill-history.ts';

const STREAM = 'fed.stream';
const FROM_STREAM = 'fed.from-stream';
const PUBLISHER = 'f1';

/** A queue that is bound to a stream: it gets what was published to the stream, once, and in order. */
export class FedFeature implements Feature {
  readonly queues = [FROM_STREAM];
  readonly #history = new KillHistory({ moves: true });

  async declare(channel: Channel): Promise<void> {
    await channel.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } });
    await channel.assertQueue(FROM_STREAM, { durable: true });
    await channel.bindQueue(FROM_STREAM, STREAM, '#');
  }

  clients(
    load: Load,
    [first, second, third]: readonly [ChannelModel, ChannelModel, ChannelModel],
  ): Promise<void>[] {
    return [
      publishTo(load, first, this.#history, { place: FROM_STREAM, publisher: PUBLISHER }, () => ({
        exchange: STREAM,
        key: FROM_STREAM,
        options: {},
      })),
      this.#consume(load, second),
      this.#consume(load, third),
    ];
  }

  lifeEnds(): void {
    this.#history.lifeEnds();
  }

  async end(load: Load, connection: ChannelModel): Promise<void> {
    await patiently(async () => {
      await takeAll(load, connection, this.#history, { place: FROM_STREAM, queue: FROM_STREAM });
      return this.#history.missingCount === 0;
    });
    this.#history.checkAll();
  }

  /** Acknowledges some, so that most come again after a kill. */
  async #consume(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(200);
    await channel.consume(FROM_STREAM, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, FROM_STREAM, message);
      if (copy === null || load.random() < 0.01) return;
      copy.ack = 'sent';
      channel.ack(message!);
    });
  }
}
