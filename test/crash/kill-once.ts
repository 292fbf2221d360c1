import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import { drainQueue, type Load, pause } from './kill-clients.ts';
import type { Feature } from './kill-feature.ts';

const QUEUE = 'once';
const UNCONFIRMED_MAX = 30;

/** What is published under one name, in as many attempts as it takes. */
interface Named {
  attempts: number;
  /** The life of the broker in which the first of them was confirmed; Infinity: none. */
  confirmedIn: number;
  /** Which attempt it was that the queue took; null as long as that may change. */
  taken: number | null;
  takenIn: number;
  isAcknowledged: boolean;
}

/**
 * A queue that takes each name once. Its publisher sends again what was not confirmed when the broker was killed, and
 * now and then what was.
 */
export class OnceFeature implements Feature {
  readonly queues = [QUEUE];
  readonly #named = new Map<string, Named>();
  #life = 0;
  #next = 0;

  async declare(channel: Channel): Promise<void> {
    await channel.assertQueue(QUEUE, {
      durable: true,
      arguments: { 'x-message-deduplication': true, 'x-cache-ttl': 3_600_000, 'x-cache-size': 1_000_000 },
    });
  }

  clients(
    load: Load,
    [, second, third]: readonly [ChannelModel, ChannelModel, ChannelModel],
  ): Promise<void>[] {
    return [this.#publish(load, third), this.#consume(load, second)];
  }

  lifeEnds(): void {
    this.#life++;
  }

  async end(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    for (const name of this.#named.keys()) this.#send(load, channel, name, () => undefined);
    await channel.waitForConfirms();
    await channel.close();
    const left = new Set<string>();
    await drainQueue(connection, QUEUE, (message) => {
      const name = this.#take(load, message);
      if (left.has(name)) load.fail(new HistoryError(`'${name}' is in the queue twice`));
      left.add(name);
      this.#get(name).isAcknowledged = true;
    });
    for (const [name, { confirmedIn, isAcknowledged }] of this.#named) {
      if (confirmedIn <= this.#life && !isAcknowledged)
        throw new HistoryError(`'${name}' was confirmed and is lost`);
    }
  }

  async #publish(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    let unconfirmed = 0;
    const send = (name: string): void => {
      unconfirmed++;
      this.#send(load, channel, name, () => {
        unconfirmed--;
      });
    };
    for (const [name, { confirmedIn }] of this.#named) if (confirmedIn > this.#life) send(name);
    while (!load.isOver) {
      if (unconfirmed < UNCONFIRMED_MAX) {
        const isOld = this.#next > 0 && load.random() < 0.15;
        send(`n${isOld ? Math.max(0, this.#next - 1 - Math.floor(load.random() * 200)) : this.#next++}`);
      }
      if (unconfirmed >= UNCONFIRMED_MAX || load.random() < 0.2) await pause();
    }
  }

  #send(
    load: Load,
    channel: Awaited<ReturnType<ChannelModel['createConfirmChannel']>>,
    name: string,
    answered: () => void,
  ): void {
    const named = this.#get(name);
    const body = Buffer.from(`${name} ${named.attempts++}`);
    const headers = { 'x-deduplication-header': name };
    channel.sendToQueue(QUEUE, body, { persistent: true, headers }, (error) => {
      answered();
      if (!load.isOver && error === null) named.confirmedIn = Math.min(named.confirmedIn, this.#life);
    });
  }

  async #consume(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(20);
    await channel.consume(QUEUE, (message) => {
      if (message === null || load.isOver) return;
      const name = this.#take(load, message);
      if (load.random() < 0.9) {
        this.#get(name).isAcknowledged = true;
        channel.ack(message);
      } else channel.nack(message, false, true);
    });
  }

  /** A kill may undo what was not confirmed; what was is settled: no other attempt is taken from then on. */
  #take(load: Load, { content }: ConsumeMessage): string {
    const [name = '', attempt] = content.toString().split(' ');
    const named = this.#named.get(name);
    if (named === undefined) {
      load.fail(new HistoryError(`'${name}' was never published`));
      return name;
    }
    const isAnother = named.taken !== null && named.taken !== Number(attempt);
    if (isAnother && named.takenIn >= Math.min(named.confirmedIn, this.#life))
      load.fail(new HistoryError(`'${name}' comes as attempt ${attempt}, and came as ${named.taken}`));
    named.taken = Number(attempt);
    named.takenIn = this.#life;
    return name;
  }

  #get(name: string): Named {
    let named = this.#named.get(name);
    if (named === undefined) {
      named = {
        attempts: 0,
        confirmedIn: Number.POSITIVE_INFINITY,
        taken: null,
        takenIn: -1,
        isAcknowledged: false,
      };
      this.#named.set(name, named);
    }
    return named;
  }
}
