import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import { type Load, makeBody, pause, readBody } from './kill-clients.ts';
import { type Feature, takeAll, took } from './kill-feature.ts';
import { KillHistory } from './kill-history.ts';

const QUEUE = 'limited';
const DEAD = 'limited.dead';
const LIMIT = 3;
const FAILING_MS_MAX = 60;
const PUBLISHER = 'l1';
const PLACE = 'the limited queue';

/**
 * A quorum queue that gives a message up after some failures, whose consumer fails at nearly all of them. What it has
 * counted is not forgotten when the broker is killed.
 */
export class LimitedFeature implements Feature {
  readonly queues = [QUEUE, DEAD];
  readonly #history = new KillHistory({ moves: true });
  /** Failures by message, of which a later confirm says that they are in the journal. */
  readonly #known = new Map<number, number>();
  /** Failures that consumers were told of in this life, and are not known to be in the journal. */
  #told: { readonly sequence: number; readonly count: number }[] = [];

  async declare(channel: Channel): Promise<void> {
    await channel.assertQueue(DEAD, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    await channel.assertQueue(QUEUE, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-delivery-limit': LIMIT,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': DEAD,
      },
    });
  }

  clients(
    load: Load,
    [first, second, third]: readonly [ChannelModel, ChannelModel, ChannelModel],
  ): Promise<void>[] {
    return [this.#publish(load, first), this.#fail(load, second), this.#consumeDead(load, third)];
  }

  lifeEnds(): void {
    this.#history.lifeEnds();
    this.#told = [];
  }

  async end(load: Load, connection: ChannelModel): Promise<void> {
    const check = (message: ConsumeMessage) => this.#check(message);
    await takeAll(load, connection, this.#history, { place: PLACE, queue: QUEUE }, check);
    await takeAll(load, connection, this.#history, { place: PLACE, queue: DEAD }, checkDead);
    this.#history.checkAll();
  }

  async #publish(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    let unconfirmed = 0;
    while (!load.isOver) {
      if (unconfirmed < 5) {
        const sequence = load.nextSequence(PUBLISHER);
        const copies = this.#history.published(PUBLISHER, sequence, [PLACE], null);
        // A failure is journaled before the next attempt is made: so whoever was told of it, and then publishes...
        const told = this.#told;
        this.#told = [];
        unconfirmed++;
        channel.sendToQueue(QUEUE, makeBody(PUBLISHER, sequence, 50), { persistent: true }, (error) => {
          unconfirmed--;
          if (load.isOver || error !== null) return;
          this.#history.confirmation(copies);
          for (const { sequence, count } of told) this.#known.set(sequence, count);
        });
      }
      await pause();
    }
  }

  async #fail(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(20);
    await channel.consume(QUEUE, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, PLACE, message);
      if (copy === null) return;
      try {
        this.#check(message!);
      } catch (error) {
        load.fail(error);
      }
      // It takes its time, so that many have failed, and not too often, when the broker is killed.
      setTimeout(() => {
        if (load.isOver) return;
        if (load.random() < 0.05) {
          copy.ack = 'sent';
          channel.ack(message!);
        } else {
          this.#history.requeued(copy);
          channel.nack(message!, false, true);
        }
      }, load.random() * FAILING_MS_MAX);
    });
  }

  async #consumeDead(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(20);
    await channel.consume(DEAD, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, PLACE, message);
      if (copy === null) return;
      try {
        checkDead(message!);
      } catch (error) {
        load.fail(error);
      }
      copy.ack = 'sent';
      channel.ack(message!);
    });
  }

  #check({ content, properties }: ConsumeMessage): void {
    const { sequence } = readBody(content);
    const count = Number(properties.headers?.['x-delivery-count'] ?? 0);
    const known = this.#known.get(sequence) ?? 0;
    if (count < known || count > LIMIT)
      throw new HistoryError(
        `message ${sequence} failed ${count} times, it says, but it was ${known}, of ${LIMIT}`,
      );
    if (count > 0) this.#told.push({ sequence, count });
  }
}

function checkDead({ properties }: ConsumeMessage): void {
  const deaths = (properties.headers?.['x-death'] ?? []) as unknown as { reason: string; count: number }[];
  const [death] = deaths;
  if (deaths.length !== 1 || death?.reason !== 'delivery_limit' || death.count !== 1)
    throw new HistoryError(`a message died so: ${JSON.stringify(deaths)}`);
}
