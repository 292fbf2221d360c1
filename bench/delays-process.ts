/**
 * A broker that is given delayed messages from inside, as a channel would, and a consumer that looks at how late they
 * are. Sends what it measured to the process that started it: `delays-process.ts <directory> <DelaysPlan as JSON>`.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { FINE_BITS, Histogram } from '../src/base/histogram.ts';
import { Broker } from '../src/broker/broker.ts';
import { Publisher } from '../src/broker/publishing/publisher.ts';
import type { Queue } from '../src/broker/queues/queue.ts';
import type { VirtualHost } from '../src/broker/topology/virtual-host.ts';
import { FRAME_HEADER_BYTES, frameContentBytes } from '../src/log/memory/chunks.ts';
import { ContentView } from '../src/records/record-content.ts';
import { amqp091Codec } from '../src/servers/amqp091/property-codec.ts';

export interface DelaysPlan {
  readonly messages: number;
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** Whether to wait until they came. */
  readonly awaits: boolean;
}

export interface DelaysFigures {
  readonly residentMiB: { readonly before: number; readonly waiting: number; readonly peak: number };
  readonly publishedPerSecond: number;
  readonly came: number;
  /** Milliseconds after their time, at the consumer; zeros if they were not awaited. */
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

const BODY_BYTES = 100;
const BATCH = 100;
const KEY = Buffer.from('q');
const EXCHANGE = Buffer.from('later');

const [directory, text] = process.argv.slice(2) as [string, string];
const plan = JSON.parse(text) as DelaysPlan;
const broker = await Broker.open({ dataDirectory: directory, propertyCodecs: [amqp091Codec] });
const vhost = broker.vhosts.get('/') as VirtualHost<Queue>;
const lateness = new Histogram(FINE_BITS);
let came = 0;
declare();

const before = resident();
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, resident());
}, 100);
const seconds = await publish();
await setTimeout(3000);
const waiting = resident();
while (plan.awaits && came < plan.messages) await setTimeout(200);
clearInterval(watch);
const lateMs = (share: number): number => lateness.quantileMs(share);
process.send?.({
  residentMiB: { before, waiting, peak },
  publishedPerSecond: Math.round(plan.messages / seconds),
  came,
  lateMs: { p50: lateMs(0.5), p99: lateMs(0.99), max: lateMs(1) },
} satisfies DelaysFigures);
await broker.close();

function declare(): void {
  const common = { durable: true, autoDelete: false };
  vhost.declareExchange({
    ...common,
    name: 'later',
    type: 'x-delayed-message',
    internal: false,
    arguments: { 'x-delayed-type': 'direct' },
  });
  const queue = vhost.declareQueue({ ...common, name: 'q', exclusive: false, arguments: {} }, null);
  vhost.bindQueue({ source: 'later', destination: 'q', routingKey: 'q', arguments: {} }, null);
  const view = new ContentView();
  queue.addConsumer({
    tag: 'late',
    sink: {
      deliver: (_consumer, _level, _offset, chunk, at) => {
        view.parse(chunk.buffer, at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at));
        broker.shard.turn.touch();
        lateness.record(broker.shard.nowMs - chunk.buffer.readDoubleBE(view.bodyStart));
        came++;
        return true;
      },
      cancelled: () => undefined,
    },
    gate: { open: true },
    credit: Number.POSITIVE_INFINITY,
    noAck: true,
    exclusive: false,
    arguments: {},
  });
}

/** Returns the seconds until all were on disk. */
async function publish(): Promise<number> {
  const publisher = new Publisher(broker.shard, broker.deadLettering);
  const exchange = vhost.exchangeForPublish('later');
  const { messageView } = publisher;
  messageView.body = Buffer.alloc(BODY_BYTES);
  messageView.bodyEnd = BODY_BYTES;
  messageView.key = KEY;
  messageView.keyEnd = KEY.length;
  messageView.exchange = EXCHANGE;
  messageView.exchangeEnd = EXCHANGE.length;
  messageView.protocol = amqp091Codec.source;
  const started = performance.now();
  for (let i = 0; i < plan.messages; i++) {
    if (i % BATCH === 0) {
      await setImmediate();
      broker.shard.turn.touch();
      broker.shard.turn.schedule();
    }
    const delayMs = plan.delayMinMs + Math.floor(Math.random() * (plan.delayMaxMs - plan.delayMinMs));
    const headers = { 'x-delay': delayMs };
    const route = vhost.route(exchange, 'q', { headers: () => headers, property: () => null });
    messageView.properties = amqp091Codec.encode({ headers, persistent: true });
    messageView.propertiesEnd = messageView.properties.length;
    messageView.body.writeDoubleBE(broker.shard.nowMs + delayMs, 0);
    messageView.delayMs = route.delayMs;
    publisher.publish(route, true);
    if (publisher.mustPause) await new Promise<void>((resolve) => publisher.onResume(resolve));
  }
  await broker.shard.store.journal.flush();
  return (performance.now() - started) / 1000;
}

function resident(): number {
  return Math.round(process.memoryUsage.rss() / 1024 / 1024);
}
