import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import { drainQueue, type Load, makeBody, pause, readBody } from './kill-clients.ts';
import type { Copy, KillHistory } from './kill-history.ts';

/** Something that queues do, used by real clients while the broker is killed again and again. */
export interface Feature {
  /** Empty once `end` has returned, and also after a stop and a start. */
  readonly queues: readonly string[];
  declare(channel: Channel): Promise<void>;
  /** Each ends with its connection. */
  clients(load: Load, connections: readonly ChannelModel[]): Promise<void>[];
  /** The broker's process is gone. */
  lifeEnds(): void;
  /** In the last life: takes all that is left. Throws what must not be. */
  end(load: Load, connection: ChannelModel): Promise<void>;
}

/** What of a message is decided when it is published. */
export interface Publication {
  readonly exchange: string;
  readonly key: string;
  readonly options: Options.Publish;
}

const UNCONFIRMED_MAX = 50;
const BODY_BYTES_MAX = 600;

/** Publishes with confirms until the connection is gone. The history knows all of it by the name `place`. */
export async function publishTo(
  load: Load,
  connection: ChannelModel,
  history: KillHistory,
  { place, publisher }: { readonly place: string; readonly publisher: string },
  next: (sequence: number) => Publication,
): Promise<void> {
  const channel: ConfirmChannel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  let unconfirmed = 0;
  while (!load.isOver) {
    if (unconfirmed < UNCONFIRMED_MAX) {
      const sequence = load.nextSequence(publisher);
      const { exchange, key, options } = next(sequence);
      const copies = history.published(publisher, sequence, [place], null);
      const body = makeBody(publisher, sequence, Math.floor(load.random() * BODY_BYTES_MAX));
      unconfirmed++;
      channel.publish(exchange, key, body, { persistent: true, ...options }, (error) => {
        unconfirmed--;
        if (!load.isOver && error === null) history.confirmation(copies);
      });
    }
    if (unconfirmed >= UNCONFIRMED_MAX || load.random() < 0.2) await pause();
  }
}

/** What came, in the history; null if it must not be: then the load is told. */
export function took(load: Load, history: KillHistory, place: string, message: ConsumeMessage): Copy | null {
  try {
    const { publisher, sequence } = readBody(message.content);
    // Each of these queues is reached by its own name as the routing key.
    const { redelivered, routingKey } = message.fields;
    return history.delivered(place, publisher, sequence, redelivered, routingKey);
  } catch (error) {
    load.fail(error);
    return null;
  }
}

/** Takes all that is in the queue, and has `check` look at it. */
export async function takeAll(
  load: Load,
  connection: ChannelModel,
  history: KillHistory,
  { place, queue }: { readonly place: string; readonly queue: string },
  check: (message: ConsumeMessage) => void = () => undefined,
): Promise<void> {
  await drainQueue(connection, queue, (message) => {
    const copy = took(load, history, place, message);
    if (copy === null) return;
    copy.ack = 'sent';
    try {
      check(message);
    } catch (error) {
      load.fail(error);
    }
  });
}

/** Waits until it is so, but not for ever: what is still missing then is told by the history. */
export async function patiently(isSo: () => boolean | Promise<boolean>, patienceMs = 60_000): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await isSo()) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
}

export async function countIn(connection: ChannelModel, queue: string): Promise<number> {
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  await channel.close();
  return messageCount;
}
