/**
 * Callers and servers of remote calls by direct reply-to, in a process of their own: `rpc-load.ts <url> <RpcPlan as
 * JSON>`. Each caller has a channel, and one call at a time. Prints `RpcFigures` as JSON.
 */
import { setTimeout } from 'node:timers/promises';
import { FINE_BITS, Histogram } from '../src/base/histogram.ts';
import { monotonicMicros } from '../src/cli/bench/amqp/micros.ts';
import { CONTENT_HEADER_BYTES, decodeProperties } from '../src/wire/amqp091/properties.ts';
import { type Arrival, methodBytes, Peer, publishBytes } from './rpc-peer.ts';

export interface RpcPlan {
  readonly callers: number;
  /** Connections that the callers share. */
  readonly connections: number;
  readonly servers: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface RpcFigures {
  readonly callsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Answers that were somebody else's. */
  readonly wrong: number;
}

const REPLY_TO = 'amq.rabbitmq.reply-to';
const QUEUE = 'rpc-bench';
const PREFETCH = 100;
const ACK = { name: 'basic.ack', multiple: false } as const;
const CONSUME = { noLocal: false, exclusive: false, noWait: false, arguments: {} } as const;

const [url, text] = process.argv.slice(2) as [string, string];
const plan = JSON.parse(text) as RpcPlan;
const latency = new Histogram(FINE_BITS);
let wrong = 0;

function propertiesOf({ header }: Arrival) {
  return decodeProperties(header, CONTENT_HEADER_BYTES, header.length);
}

/** Answers with what it was asked. */
function answer(arrival: Arrival, peer: Peer): void {
  const { replyTo, correlationId } = propertiesOf(arrival);
  const { channel, deliveryTag, body } = arrival;
  peer.write(publishBytes(channel, replyTo ?? '', { correlationId: correlationId ?? '' }, body));
  peer.write(methodBytes(channel, { ...ACK, deliveryTag }));
}

async function openServer(): Promise<Peer> {
  const peer = await Peer.open(url, answer);
  await peer.call(1, { name: 'channel.open' }, 'channel.open-ok');
  const qos = { prefetchSize: 0, prefetchCount: PREFETCH, global: false };
  await peer.call(1, { name: 'basic.qos', ...qos }, 'basic.qos-ok');
  const consume = { queue: QUEUE, consumerTag: '', noAck: false, ...CONSUME };
  await peer.call(1, { name: 'basic.consume', ...consume }, 'basic.consume-ok');
  return peer;
}

async function openCallers(connection: number, count: number): Promise<Peer> {
  const askedAt = new Float64Array(count + 1);
  const requests: Buffer[] = [];
  const nameOf = (channel: number) => `${connection}.${channel}`;
  const ask = (channel: number, peer: Peer) => {
    askedAt[channel] = monotonicMicros();
    peer.write(requests[channel]);
  };
  const peer = await Peer.open(url, (arrival) => {
    const { channel } = arrival;
    latency.recordMicros(monotonicMicros() - askedAt[channel]);
    if (propertiesOf(arrival).correlationId !== nameOf(channel)) wrong++;
    ask(channel, peer);
  });
  for (let channel = 1; channel <= count; channel++) {
    const properties = { replyTo: REPLY_TO, correlationId: nameOf(channel) };
    requests[channel] = publishBytes(channel, QUEUE, properties, Buffer.alloc(16));
    await peer.call(channel, { name: 'channel.open' }, 'channel.open-ok');
    const consume = { queue: REPLY_TO, consumerTag: '', noAck: true, ...CONSUME };
    await peer.call(channel, { name: 'basic.consume', ...consume }, 'basic.consume-ok');
  }
  for (let channel = 1; channel <= count; channel++) ask(channel, peer);
  peer.flush();
  return peer;
}

const setup = await Peer.open(url, () => undefined);
await setup.call(1, { name: 'channel.open' }, 'channel.open-ok');
const declare = { passive: false, durable: false, exclusive: false, autoDelete: true, noWait: false };
await setup.call(1, { name: 'queue.declare', queue: QUEUE, ...declare, arguments: {} }, 'queue.declare-ok');
const peers = [setup];
for (let i = 0; i < plan.servers; i++) peers.push(await openServer());
const share = Math.ceil(plan.callers / plan.connections);
peers.push(...(await Promise.all(Array.from({ length: plan.connections }, (_, i) => openCallers(i, share)))));
await setTimeout(plan.warmupSeconds * 1000);
latency.clear();
const begin = performance.now();
await setTimeout(plan.seconds * 1000);
const seconds = (performance.now() - begin) / 1000;
const figures: RpcFigures = {
  callsPerSecond: latency.count / seconds,
  latencyMs: {
    p50: latency.quantileMs(0.5),
    p99: latency.quantileMs(0.99),
    max: latency.maxMs,
  },
  wrong,
};
console.log(JSON.stringify(figures));
for (const peer of peers) peer.end();
