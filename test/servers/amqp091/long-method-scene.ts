import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { MethodOf } from '../../../src/wire/amqp091/definitions.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { publishBytes, type RawClient } from './raw-client.ts';
import { TestServer } from './test-server.ts';

/** More than are settled at once. By the clock of these tests a slice is over after some dozens of steps. */
export const MESSAGES = 40_000;
/** In how many states others see what a method changes; two, if it were done in one piece. */
export const STATES_MIN = 5;

export function declaration(queue: string): MethodOf<'queue.declare'> {
  return {
    name: 'queue.declare',
    queue,
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  };
}

/** A client with a queue `q`, and another one who asks for something small again and again. */
export class Scene implements AsyncDisposable {
  readonly test: TestServer;
  readonly client: RawClient;
  readonly queue: Queue;
  readonly #others: AsyncDisposable;
  readonly #ask: () => Promise<unknown>;

  private constructor(
    test: TestServer,
    client: RawClient,
    queue: Queue,
    others: AsyncDisposable,
    ask: () => Promise<unknown>,
  ) {
    this.test = test;
    this.client = client;
    this.queue = queue;
    this.#others = others;
    this.#ask = ask;
  }

  static async make(): Promise<Scene> {
    const test = await TestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    const client = await test.rawChannel();
    client.method(1, declaration('q'));
    await client.expect('queue.declare-ok');
    const others = await test.connect();
    const channel = await others.createChannel();
    await channel.assertQueue('other');
    const queue = test.broker.vhosts.get('/')?.findQueue('q') as Queue;
    return new Scene(test, client, queue, others, () => channel.checkQueue('other'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.#others[Symbol.asyncDispose]();
    await this.test[Symbol.asyncDispose]();
  }

  async fill(): Promise<void> {
    const message = publishBytes(1, '', 'q', Buffer.from('0123456789'));
    const thousand = Buffer.concat(Array.from({ length: 1000 }, () => message));
    for (let i = 0; i < MESSAGES; i += 1000) this.client.write(thousand);
    await this.until(() => this.queue.readyCount + this.queue.unacknowledgedCount === MESSAGES);
  }

  /** All messages are at the client, who gets no more. */
  async deliver(): Promise<void> {
    const consume = { noLocal: false, noAck: false, exclusive: false, noWait: true, arguments: {} };
    this.client.method(1, { name: 'basic.consume', queue: 'q', consumerTag: 'c', ...consume });
    await this.until(() => this.queue.unacknowledgedCount === MESSAGES);
    this.client.method(1, { name: 'basic.cancel', consumerTag: 'c', noWait: true });
    await this.until(() => this.client.received.length === 3 * MESSAGES && this.queue.consumerCount === 0);
    this.client.received.length = 0;
  }

  /**
   * Resolves when it is so; returns in how many states others have seen the queue, or what is named, meanwhile: two, if it
   * went from the first to the last in one piece.
   */
  async until(isSo: () => boolean, stateOf = () => this.#counts()): Promise<number> {
    const states = new Set<string>();
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await this.#ask();
    })();
    for (; !isSo(); await new Promise((resolve) => setImmediate(resolve))) {
      states.add(stateOf());
    }
    states.add(stateOf());
    isOver = true;
    await asking;
    return states.size;
  }

  #counts(): string {
    return `${this.queue.readyCount} ready, ${this.queue.unacknowledgedCount} unacknowledged`;
  }
}
