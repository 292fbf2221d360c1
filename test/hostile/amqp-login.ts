import type { Table } from '../../src/base/value.ts';
import { PROTOCOL_HEADER } from '../../src/wire/amqp091/constants.ts';
import { FrameWriter } from '../../src/wire/amqp091/frames.ts';
import { encodeProperties, type Properties } from '../../src/wire/amqp091/properties.ts';
import { publishBytes, RawClient, startOk } from '../servers/amqp091/raw-client.ts';
import type { Target } from './behaviour.ts';

const PATIENCE_MS = 60_000;

/** An AMQP connection that has logged in, and may do wrong. */
export async function amqpLogin(target: Target, heartbeat = 0): Promise<RawClient> {
  const client = await RawClient.connect(target.amqpPort);
  client.patienceMs = PATIENCE_MS;
  client.write(PROTOCOL_HEADER);
  await client.expect('connection.start');
  client.method(0, startOk(target.user, target.password));
  const { channelMax, frameMax } = await client.expect('connection.tune');
  client.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat });
  client.method(0, { name: 'connection.open', virtualHost: '/' });
  await client.expect('connection.open-ok');
  return client;
}

/** With channel 1 open. */
export async function amqpChannel(target: Target): Promise<RawClient> {
  const client = await amqpLogin(target);
  client.method(1, { name: 'channel.open' });
  await client.expect('channel.open-ok');
  return client;
}

export interface QueueFlags {
  readonly durable?: boolean;
  readonly exclusive?: boolean;
}

/** On channel 1, as everything here. The answer is to be read. */
export function declareQueue(
  client: RawClient,
  queue: string,
  args: Table = {},
  flags: QueueFlags = {},
): void {
  client.method(1, {
    name: 'queue.declare',
    queue,
    passive: false,
    durable: flags.durable ?? false,
    exclusive: flags.exclusive ?? false,
    autoDelete: false,
    noWait: false,
    arguments: args,
  });
}

export function declareExchange(client: RawClient, exchange: string, type: string, args: Table = {}): void {
  client.method(1, {
    name: 'exchange.declare',
    exchange,
    type,
    passive: false,
    durable: false,
    autoDelete: false,
    internal: false,
    noWait: true,
    arguments: args,
  });
}

/** No answer comes. */
export function bindQueue(
  client: RawClient,
  queue: string,
  exchange: string,
  routingKey: string,
  args: Table = {},
): void {
  client.method(1, { name: 'queue.bind', queue, exchange, routingKey, noWait: true, arguments: args });
}

export function consume(client: RawClient, queue: string, noAck: boolean): void {
  const others = { noLocal: false, exclusive: false, noWait: false, arguments: {} };
  client.method(1, { name: 'basic.consume', queue, consumerTag: '', noAck, ...others });
}

export function propertyBytes(properties: Properties): Buffer {
  const writer = new FrameWriter();
  encodeProperties(writer, properties);
  return Buffer.from(writer.take());
}

/** Whatever comes is thrown away, unseen. */
export function ignoreAnswers(client: Pick<RawClient, 'socket'>): void {
  client.socket.removeAllListeners('data');
  client.socket.resume();
}

/** Until the signal, or the broker ends the connection; with a pause while the socket does not take more. */
export async function writeForever(
  { signal }: Target,
  client: { readonly socket: RawClient['socket'] },
  bytesOf: (turn: number) => Uint8Array,
): Promise<void> {
  const { socket } = client;
  for (let turn = 0; !signal.aborted && !socket.destroyed; turn++) {
    socket.write(bytesOf(turn));
    if (socket.writableLength > 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/** `count` messages in one piece. */
export function publishes(
  count: number,
  exchange: string,
  key: string,
  body: Uint8Array,
  options: { readonly properties?: Buffer; readonly mandatory?: boolean } = {},
): Buffer {
  const one = publishBytes(1, exchange, key, body, options);
  return Buffer.concat(Array.from({ length: count }, () => one));
}
