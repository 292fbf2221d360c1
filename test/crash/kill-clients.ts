import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import type { Copy, KillHistory, TxRecord } from './kill-history.ts';

export const QUEUES = ['q0', 'q1', 'q2', 'q3'] as const;
export const FANOUT = 'crash.fanout';
const UNCONFIRMED_MAX = 200;
const CLASS_TX = 90 << 16;
export const TX = { select: CLASS_TX + 10, commit: CLASS_TX + 20, rollback: CLASS_TX + 30 } as const;

export type Random = () => number;

/** What all clients share. */
export interface Load {
  readonly history: KillHistory;
  readonly random: Random;
  /** The broker is gone, or will be at once: nothing that clients see now counts. */
  isOver: boolean;
  fail(error: unknown): void;
  nextSequence(publisher: string): number;
}

interface Rpc {
  rpc(method: number, fields: object, reply: number): Promise<unknown>;
}

/** Transactions, which the client library does not know. */
export function call(channel: Channel, method: number): Promise<unknown> {
  return (channel as unknown as Rpc).rpc(method, {}, method + 1);
}

/** `publisher:sequence:length:` and a pattern that follows from them, so that every byte can be checked. */
export function makeBody(publisher: string, sequence: number, length: number): Buffer {
  const head = `${publisher}:${sequence}:${length}:`;
  const body = Buffer.alloc(head.length + length, `${sequence * 7919}|${publisher}|`);
  body.write(head, 'latin1');
  return body;
}

export function readBody(body: Buffer): { readonly publisher: string; readonly sequence: number } {
  const [publisher = '', sequence, length] = body.toString('latin1', 0, 60).split(':');
  const expected = makeBody(publisher, Number(sequence), Number(length));
  if (!expected.equals(body))
    throw new HistoryError(`a message has other bytes: ${body.subarray(0, 60).toString()}`);
  return { publisher, sequence: Number(sequence) };
}

function randomLength(random: Random): number {
  return Math.floor(random() < 0.98 ? random() ** 2 * 2000 : random() * 200_000);
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Publishes with confirms until the connection is gone. */
export async function publishConfirmed(
  load: Load,
  connection: ChannelModel,
  publisher: string,
): Promise<void> {
  const { history, random } = load;
  const channel: ConfirmChannel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  let unconfirmed = 0;
  while (!load.isOver) {
    if (unconfirmed >= UNCONFIRMED_MAX) {
      await pause();
      continue;
    }
    const toAll = random() < 0.2;
    const queue = QUEUES[Math.floor(random() * QUEUES.length)];
    const sequence = load.nextSequence(publisher);
    const copies = history.published(publisher, sequence, toAll ? QUEUES : [queue], null);
    unconfirmed++;
    const body = makeBody(publisher, sequence, randomLength(random));
    channel.publish(toAll ? FANOUT : '', toAll ? '' : queue, body, { persistent: true }, (error) => {
      unconfirmed--;
      if (!load.isOver && error === null) history.confirmation(copies);
    });
    if (random() < 0.1) await pause();
  }
}

/** Consumes one queue; acknowledges in random order, singly and multiply, and gives some back. */
export async function consumePlainly(load: Load, connection: ChannelModel, queue: string): Promise<void> {
  const { history, random } = load;
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  await channel.prefetch(100);
  const held: { readonly message: ConsumeMessage; readonly copy: Copy }[] = [];
  await channel.consume(queue, (message) => {
    if (message === null || load.isOver) return;
    const copy = take(load, queue, message);
    if (copy === null) return;
    held.push({ message, copy });
    if (held.length < 90 && random() < 0.9) return;
    const at = Math.floor(random() * held.length);
    const { message: chosen, copy: chosenCopy } = held[at];
    if (random() < 0.05) {
      held.splice(at, 1);
      history.requeued(chosenCopy);
      channel.nack(chosen, false, true);
    } else if (random() < 0.5) {
      for (const each of held.splice(0, at + 1)) each.copy.ack = 'sent';
      channel.ack(chosen, true);
    } else {
      held.splice(at, 1);
      chosenCopy.ack = 'sent';
      channel.ack(chosen);
    }
  });
}

/** Publishes and acknowledges in transactions, some of which it takes back. */
export async function work(
  load: Load,
  connection: ChannelModel,
  publisher: string,
  queue: string | null,
): Promise<void> {
  const { history, random } = load;
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  await call(channel, TX.select);
  const held: { readonly message: ConsumeMessage; readonly copy: Copy }[] = [];
  if (queue !== null) {
    await channel.prefetch(50);
    await channel.consume(queue, (message) => {
      const copy = message === null || load.isOver ? null : take(load, queue, message);
      if (copy !== null) held.push({ message: message!, copy });
    });
  }
  while (!load.isOver) {
    const tx = history.begin();
    for (let i = Math.floor(random() * 6); i > 0; i--) publishInTx(load, channel, publisher, tx);
    const acknowledged = held.splice(0, Math.floor(random() * 10));
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
      // What was acknowledged is as it was before: unacknowledged, and not delivered again.
      history.rolledBack(tx);
      held.unshift(...acknowledged);
    }
  }
}

function publishInTx(
  { history, random, nextSequence }: Load,
  channel: Channel,
  publisher: string,
  tx: TxRecord,
): void {
  const queue = QUEUES[Math.floor(random() * QUEUES.length)];
  const sequence = nextSequence(publisher);
  history.published(publisher, sequence, [queue], tx);
  channel.sendToQueue(queue, makeBody(publisher, sequence, randomLength(random)), { persistent: true });
}

/** What came, in the history; null if it must not be: then the load is told. */
function take(load: Load, queue: string, message: ConsumeMessage): Copy | null {
  try {
    const { publisher, sequence } = readBody(message.content);
    return load.history.delivered(queue, publisher, sequence, message.fields.redelivered);
  } catch (error) {
    load.fail(error);
    return null;
  }
}

/** Takes and acknowledges all that is in the queue. */
export async function drain(load: Load, connection: ChannelModel, queue: string): Promise<void> {
  await drainQueue(connection, queue, (message) => {
    const copy = take(load, queue, message);
    if (copy !== null) copy.ack = 'sent';
  });
}

/** After so long without a message the queue is asked whether there are any. */
const QUIET_MS = 300;

/** Takes and acknowledges all that is in the queue, and shows each message to `see`. */
export async function drainQueue(
  connection: ChannelModel,
  queue: string,
  see: (message: ConsumeMessage) => void,
): Promise<void> {
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  let left = messageCount;
  if (left === 0) return;
  await channel.prefetch(500);
  await new Promise<void>((resolve, reject) => {
    channel.on('close', () => reject(new Error(`the channel was closed with ${left} messages to come`)));
    let quiet: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(quiet);
      left = 0;
      resolve();
    };
    const wait = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(ask, QUIET_MS);
    };
    // Some may have left by themselves since they were counted; what should not have is missed by the history. What was delivered
    // before this answer has come before it.
    const ask = (): void => {
      channel.checkQueue(queue).then(({ messageCount }) => {
        if (left === 0) return;
        if (messageCount === 0) end();
        else wait();
      }, reject);
    };
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) return;
      see(message);
      channel.ack(message);
      if (--left === 0) end();
      else if (left > 0) wait();
    };
    wait();
    channel.consume(queue, onMessage).catch(reject);
  });
  channel.removeAllListeners('close');
  await channel.close();
}
