/**
 * What the round asks of a client library: the operations of AMQP 0-9-1 under their usual names, done by the library's
 * own calls. Whatever a library cannot do is left out of its adapter, and the checks that need it of its round.
 */
export interface Client {
  readonly name: string;
  /** Of a virtual host that is not there the library tells that the connection was refused, and not the code. */
  readonly hidesRefusedOpen?: boolean;
  /** What the library cannot do: checks that need it are not in its round. */
  readonly lacks?: 'transactions';
  /** Rejects with a `Refusal` if the broker refuses. */
  connect(url: string): Promise<Connection>;
}

export interface Connection {
  /** Resolves when the broker closes the connection with an error. */
  readonly failed: Promise<Refusal>;
  channel(): Promise<Channel>;
  /** On such a channel `publish` resolves when the broker has confirmed. */
  confirmChannel(): Promise<Channel>;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly durable?: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  readonly arguments?: Record<string, unknown>;
}

export interface ExchangeOptions {
  readonly durable?: boolean;
  readonly autoDelete?: boolean;
  readonly internal?: boolean;
}

export interface QueueState {
  readonly queue: string;
  readonly messageCount: number;
  readonly consumerCount: number;
}

export interface PublishOptions {
  readonly persistent?: boolean;
  readonly mandatory?: boolean;
  readonly headers?: Record<string, unknown>;
  readonly correlationId?: string;
  readonly replyTo?: string;
  /** In milliseconds. */
  readonly expiration?: string;
  readonly priority?: number;
}

export interface Received {
  readonly deliveryTag: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly redelivered: boolean;
  readonly body: Buffer;
  readonly headers: Record<string, unknown>;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly expiration: string | undefined;
  /** Of get-ok: what is left in the queue. */
  readonly messageCount: number | undefined;
}

export interface Returned {
  readonly replyCode: number;
  readonly replyText: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
}

export interface Transactions {
  select(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export interface Channel {
  /** Resolves when the broker closes the channel with an error. */
  readonly failed: Promise<Refusal>;
  readonly tx: Transactions | undefined;
  declareQueue(name: string, options?: QueueOptions): Promise<QueueState>;
  /** A passive declare. */
  checkQueue(name: string): Promise<QueueState>;
  deleteQueue(name: string, options?: { ifUnused?: boolean; ifEmpty?: boolean }): Promise<number>;
  purgeQueue(name: string): Promise<number>;
  bindQueue(queue: string, exchange: string, key: string, args?: Record<string, unknown>): Promise<void>;
  unbindQueue(queue: string, exchange: string, key: string, args?: Record<string, unknown>): Promise<void>;
  declareExchange(name: string, type: string, options?: ExchangeOptions): Promise<void>;
  checkExchange(name: string): Promise<void>;
  deleteExchange(name: string, options?: { ifUnused?: boolean }): Promise<void>;
  bindExchange(destination: string, source: string, key: string): Promise<void>;
  unbindExchange(destination: string, source: string, key: string): Promise<void>;
  publish(exchange: string, key: string, body: Buffer | string, options?: PublishOptions): Promise<void>;
  onReturn(listener: (message: Returned) => void): void;
  get(queue: string, options?: { noAck?: boolean }): Promise<Received | undefined>;
  /** `onMessage` gets undefined when the broker cancels the consumer. Resolves with the consumer tag. */
  consume(
    queue: string,
    onMessage: (message: Received | undefined) => void,
    options?: { noAck?: boolean; exclusive?: boolean; consumerTag?: string },
  ): Promise<string>;
  cancel(consumerTag: string): Promise<void>;
  ack(deliveryTag: number, multiple?: boolean): void;
  nack(deliveryTag: number, options: { multiple?: boolean; requeue: boolean }): void;
  reject(deliveryTag: number, requeue: boolean): void;
  /** `global`: for the channel, and not for each consumer to come (RabbitMQ's reading of basic.qos). */
  prefetch(count: number, global?: boolean): Promise<void>;
  recover(): Promise<void>;
  close(): Promise<void>;
}

/** The broker said no. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.name = 'Refusal';
    this.code = code;
  }
}
