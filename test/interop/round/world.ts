import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type Channel, type Client, type Connection, type Received, Refusal } from '../client.ts';

/** One thing that every client must find in the broker. */
export interface Check {
  /** A sentence about the broker. */
  readonly title: string;
  /** What not every library can do. */
  readonly needs?: 'transactions';
  run(world: World): Promise<void>;
}

/** How long the broker may take for one answer before the check fails. */
const PATIENCE_MS = 30_000;

/** A connection with two channels, and what a check needs of names and of waiting. */
export class World {
  readonly client: Client;
  readonly url: string;
  readonly connection: Connection;
  readonly channel: Channel;
  /** The channel with publisher confirms. */
  readonly confirms: Channel;
  readonly #others: Connection[] = [];

  private constructor(
    client: Client,
    url: string,
    connection: Connection,
    channel: Channel,
    confirms: Channel,
  ) {
    this.client = client;
    this.url = url;
    this.connection = connection;
    this.channel = channel;
    this.confirms = confirms;
  }

  static async open(client: Client, url: string): Promise<World> {
    const connection = await client.connect(url);
    return new World(client, url, connection, await connection.channel(), await connection.confirmChannel());
  }

  /** A second connection, closed with the first. */
  async another(): Promise<Connection> {
    const connection = await this.client.connect(this.url);
    this.#others.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    // A check may have had its connection closed by the broker.
    for (const connection of [...this.#others, this.connection]) await connection.close().catch(() => {});
  }

  /** A new name, so that no check meets what another one left. */
  name(kind: string): string {
    return `interop.${kind}.${randomBytes(6).toString('hex')}`;
  }

  /** A transient queue that goes with the connection. */
  async queue(): Promise<string> {
    const name = this.name('queue');
    await this.channel.declareQueue(name, { exclusive: true });
    return name;
  }

  async publishAll(queue: string, bodies: readonly string[]): Promise<void> {
    await Promise.all(bodies.map((body) => this.confirms.publish('', queue, body)));
  }

  /** Takes everything that is ready in a queue. */
  async drain(queue: string): Promise<string[]> {
    const bodies: string[] = [];
    for (;;) {
      const message = await this.channel.get(queue, { noAck: true });
      if (message === undefined) return bodies;
      bodies.push(message.body.toString());
    }
  }
}

/** The messages of a consumer, to be waited for one by one. */
export class Inbox {
  readonly #waiting: (Received | undefined)[] = [];
  #wake: () => void = () => {};

  readonly push = (message: Received | undefined): void => {
    this.#waiting.push(message);
    this.#wake();
  };

  get size(): number {
    return this.#waiting.length;
  }

  /** The next message; undefined is the broker's cancellation. */
  async next(): Promise<Received | undefined> {
    if (this.#waiting.length === 0) {
      await within(
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        'a message',
      );
    }
    return this.#waiting.shift();
  }

  async take(count: number): Promise<Received[]> {
    const messages: Received[] = [];
    while (messages.length < count) {
      const message = await this.next();
      assert.ok(message, 'the consumer was cancelled by the broker');
      messages.push(message);
    }
    return messages;
  }
}

export function bodies(messages: readonly Received[]): string[] {
  return messages.map(({ body }) => body.toString());
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const patience = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => patience.reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([promise, patience.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Checks that something ends a channel or a connection with this code and text. */
export async function refuses(
  target: { readonly failed: Promise<Refusal> },
  code: number,
  text: RegExp,
  action: () => unknown,
): Promise<void> {
  // How a library answers the request itself differs; the error of the channel is what counts.
  const answer = Promise.resolve(action()).then(
    () => new Promise<never>(() => {}),
    (error: unknown) => {
      if (error instanceof Refusal) return error;
      return new Promise<never>(() => {});
    },
  );
  checkRefusal(await within(Promise.race([target.failed, answer]), `the error ${code}`), code, text);
}

export function checkRefusal(error: unknown, code: number, text: RegExp): void {
  assert.ok(error instanceof Refusal, `a reply code was expected, and there was ${String(error)}`);
  assert.match(error.message, text);
  assert.equal(error.code, code);
}
