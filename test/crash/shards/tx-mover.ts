import type { Received } from '../../servers/amqp091/raw-client.ts';
import { publishBytes, type RawClient } from '../../servers/amqp091/raw-client.ts';

const CHANNEL = 1;
/** Delivery mode 2. */
const PERSISTENT = Buffer.from([0x10, 0, 2]);

export interface MoverOptions {
  readonly source: string;
  /** An exchange. */
  readonly target: string;
  readonly prefetch: number;
  /** Asks for messages one by one, with basic.get. */
  readonly gets: boolean;
  between(low: number, high: number): number;
  /** The transaction was answered. */
  committed(bodies: readonly string[]): void;
}

interface Taken {
  readonly tag: number;
  readonly body: string;
}

/**
 * A client that moves messages from a queue to an exchange, some in each transaction: it publishes a copy of each, acknowledges it, and
 * commits. Now and then its channel ends in the middle, or it rolls back.
 */
export class TxMover {
  readonly #client: RawClient;
  readonly #options: MoverOptions;
  #taken: Taken[] = [];

  constructor(client: RawClient, options: MoverOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Until the connection is gone. */
  async run(): Promise<void> {
    try {
      for (;;) await this.#runChannel();
    } catch (error) {
      if (!this.#client.isClosed) throw error;
    }
  }

  async #runChannel(): Promise<void> {
    const { prefetch, gets, between } = this.#options;
    this.#taken = [];
    this.#method({ name: 'channel.open' });
    await this.#until('channel.open-ok');
    this.#method({ name: 'tx.select' });
    await this.#until('tx.select-ok');
    this.#method({ name: 'basic.qos', prefetchSize: 0, prefetchCount: prefetch, global: false });
    await this.#until('basic.qos-ok');
    if (!gets) await this.#consume();
    for (let transactions = between(1, 12); transactions > 0; transactions--) {
      if (!(await this.#transaction())) break;
    }
    this.#method({ name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    for (;;) if ((await this.#client.next()).method?.name === 'channel.close-ok') return;
  }

  async #consume(): Promise<void> {
    this.#method({
      name: 'basic.consume',
      queue: this.#options.source,
      consumerTag: '',
      noLocal: false,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: {},
    });
    await this.#until('basic.consume-ok');
  }

  /** False if the channel ends now, while the transaction is on its way to the disk. */
  async #transaction(): Promise<boolean> {
    const { between, prefetch, target } = this.#options;
    const wanted = between(1, prefetch);
    // Others may have the rest of what is in the queue.
    for (let asked = 0; asked < wanted || this.#taken.length === 0; asked++) {
      if (this.#options.gets) await this.#get();
      else if (this.#taken.length === 0 || this.#client.received.length > 0)
        this.#received(await this.#client.next());
    }
    const taken = this.#taken.splice(0, wanted);
    const isMultiple = between(0, 1) === 1;
    for (const { body } of taken) {
      this.#client.write(publishBytes(CHANNEL, target, '', Buffer.from(body), { properties: PERSISTENT }));
    }
    const settled = isMultiple ? taken.slice(-1) : taken;
    for (const { tag } of settled) {
      this.#method({ name: 'basic.ack', deliveryTag: tag, multiple: isMultiple });
    }
    const share = between(0, 19);
    if (share === 0) {
      this.#method({ name: 'tx.rollback' });
      await this.#until('tx.rollback-ok');
      // They are still this channel's.
      this.#taken.unshift(...taken);
      return true;
    }
    this.#method({ name: 'tx.commit' });
    if (share === 1) return false;
    await this.#until('tx.commit-ok');
    this.#options.committed(taken.map(({ body }) => body));
    return true;
  }

  async #get(): Promise<void> {
    this.#method({ name: 'basic.get', queue: this.#options.source, noAck: false });
    const before = this.#taken.length;
    for (;;) {
      const frame = await this.#client.next();
      if (frame.method?.name === 'basic.get-empty') return;
      this.#received(frame);
      if (this.#taken.length > before) return;
    }
  }

  #tag = 0;
  #bodyBytes = 0;
  #body = '';

  #received({ method, type, payload }: Received): void {
    if (method !== null) {
      if (method.name === 'basic.deliver' || method.name === 'basic.get-ok') this.#tag = method.deliveryTag;
      else throw new Error(`${method.name} was not expected: ${JSON.stringify(method)}`);
      return;
    }
    if (type === 2) {
      this.#bodyBytes = Number(payload.readBigUInt64BE(4));
      this.#body = '';
    } else {
      this.#body += payload.toString();
      if (this.#body.length === this.#bodyBytes) this.#taken.push({ tag: this.#tag, body: this.#body });
    }
  }

  /** What is delivered meanwhile is kept. */
  async #until(name: string): Promise<void> {
    for (;;) {
      const frame = await this.#client.next();
      if (frame.method?.name === name) return;
      this.#received(frame);
    }
  }

  #method(method: Parameters<RawClient['method']>[1]): void {
    this.#client.method(CHANNEL, method);
  }
}
