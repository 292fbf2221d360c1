/** A worker does one process's share of a run: its connections, its publishers and consumers, and what they have counted. */
import { FINE_BITS, Histogram, type HistogramState } from '../../../base/histogram.ts';
import { parseAddress } from './address.ts';
import { ClientConnection } from './client-connection.ts';
import { ConfirmWindow } from './confirm-window.ts';
import { Consumer } from './consumer.ts';
import { messageFrames } from './message-frames.ts';
import { monotonicMicros } from './micros.ts';
import type { ConnectionPlan, ConsumerPlan, PublisherPlan, Share } from './plan.ts';
import { PublishBuffer } from './publish-buffer.ts';
import { Publisher } from './publisher.ts';
import { QueueSequences, type SequenceState } from './sequence.ts';
import { stampLayout } from './stamp.ts';
import { areQueuesOfConnections, declareQueue } from './topology.ts';

const BUFFER_BYTES_MAX = 64 * 1024;
const BUFFER_BYTES_MIN = 4 * 1024;
/** All publishers of a process together; a thousand publishers get small buffers. */
const BUFFER_BYTES_TOTAL = 16 * 1024 * 1024;
const BUFFERS_PER_PUBLISHER = 3;
const PACE_TICK_MS = 1;
/** Connections opened at the same time: a broker's listen queue is finite. */
const CONNECTING_MAX = 32;

/** Everything counted since the start; rates are differences of two snapshots. */
export interface Counters {
  readonly published: number;
  readonly confirmed: number;
  readonly nacked: number;
  readonly consumed: number;
  readonly consumedBytes: number;
  readonly redelivered: number;
  readonly outOfOrder: number;
}

export interface Snapshot {
  readonly atMicros: number;
  readonly counters: Counters;
  /** Since the last snapshot. */
  readonly latency: HistogramState;
  readonly confirmLatency: HistogramState;
  /** Of this process, user and system, since its start. */
  readonly cpuMicros: number;
}

/** The verbs of a run, for a worker in this process or in another. */
export interface WorkerPort {
  connect(): Promise<void>;
  startConsuming(): Promise<void>;
  /** `count` messages in all, or without end. */
  startPublishing(count: number): Promise<void>;
  stopPublishing(): Promise<void>;
  counters(): Promise<Counters>;
  /** The counters, and the latencies since the last snapshot. */
  snapshot(): Promise<Snapshot>;
  sequences(): Promise<SequenceState[]>;
  close(): Promise<void>;
}

export class Worker implements WorkerPort {
  readonly #share: Share;
  readonly #onFailure: (error: Error) => void;
  readonly #connections: ClientConnection[] = [];
  readonly #publishers: Publisher[] = [];
  readonly #consumers: Consumer[] = [];
  readonly #consumerStarts: (() => Promise<unknown>)[] = [];
  readonly #queues = new Map<string, QueueSequences>();
  readonly #latency = new Histogram(FINE_BITS);
  readonly #confirmLatency = new Histogram(FINE_BITS);
  #pacer: NodeJS.Timeout | undefined;

  constructor(share: Share, onFailure: (error: Error) => void) {
    this.#share = share;
    this.#onFailure = onFailure;
  }

  async connect(): Promise<void> {
    const plans = this.#share.connections;
    for (let i = 0; i < plans.length; i += CONNECTING_MAX) {
      await Promise.all(plans.slice(i, i + CONNECTING_MAX).map((plan) => this.#connect(plan)));
    }
  }

  async startConsuming(): Promise<void> {
    for (const start of this.#consumerStarts) await start();
  }

  async startPublishing(count: number): Promise<void> {
    if (this.#publishers.length === 0) return;
    const now = monotonicMicros();
    const rate = this.#share.ratePerSecond / this.#publishers.length;
    for (const publisher of this.#publishers) publisher.pace(rate, now);
    if (rate > 0) this.#pacer = setInterval(() => this.#tick(), PACE_TICK_MS);
    this.#letOut(count);
  }

  async stopPublishing(): Promise<void> {
    clearInterval(this.#pacer);
    for (const publisher of this.#publishers) publisher.limit = publisher.published;
  }

  async counters(): Promise<Counters> {
    return {
      published: sum(this.#publishers, (p) => p.published),
      confirmed: sum(this.#publishers, (p) => p.confirmed),
      nacked: sum(this.#publishers, (p) => p.nacked),
      consumed: sum(this.#consumers, (c) => c.received),
      consumedBytes: sum(this.#consumers, (c) => c.receivedBytes),
      redelivered: sum(this.#consumers, (c) => c.redelivered),
      outOfOrder: sum(this.#consumers, (c) => c.outOfOrder),
    };
  }

  async snapshot(): Promise<Snapshot> {
    const { user, system } = process.cpuUsage();
    const snapshot: Snapshot = {
      atMicros: monotonicMicros(),
      counters: await this.counters(),
      latency: this.#latency.state(),
      confirmLatency: this.#confirmLatency.state(),
      cpuMicros: user + system,
    };
    this.#latency.clear();
    this.#confirmLatency.clear();
    return snapshot;
  }

  async sequences(): Promise<SequenceState[]> {
    return [...this.#queues.values()].flatMap((queue) => queue.states());
  }

  async close(): Promise<void> {
    await this.stopPublishing();
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  async #connect(plan: ConnectionPlan): Promise<void> {
    const { settings } = this.#share;
    const connection = await ClientConnection.open(parseAddress(settings.url), this.#onFailure);
    this.#connections.push(connection);
    const onAnswered = () => this.#sendDeferredAcks();
    if (settings.level) connection.onAnswered = onAnswered;
    if (areQueuesOfConnections(settings)) {
      const channel = await connection.openChannel();
      for (const { queue } of plan.consumers) await declareQueue(connection, channel, settings, queue);
    }
    if (settings.publish)
      for (const publisher of plan.publishers) await this.#addPublisher(connection, publisher);
    if (settings.consume)
      for (const consumer of plan.consumers) await this.#addConsumer(connection, consumer);
  }

  async #addPublisher(connection: ClientConnection, plan: PublisherPlan): Promise<void> {
    const { settings } = this.#share;
    const channel = await connection.openChannel();
    const confirms = settings.confirmWindow > 0;
    if (confirms)
      await connection.call(channel, { name: 'confirm.select', noWait: false }, 'confirm.select-ok');
    const hasPriority = settings.priorities > 0;
    const message = messageFrames(channel, { ...settings, ...plan, hasPriority }, connection.frameMax);
    const publishers = sum(this.#share.connections, (c) => c.publishers.length);
    const each = Math.floor(BUFFER_BYTES_TOTAL / publishers / BUFFERS_PER_PUBLISHER);
    const bytes = Math.max(BUFFER_BYTES_MIN, Math.min(BUFFER_BYTES_MAX, each));
    const publisher = new Publisher({
      sink: connection,
      buffers: Array.from(
        { length: BUFFERS_PER_PUBLISHER },
        () => new PublishBuffer(message, bytes, plan.number, settings.priorities),
      ),
      window: confirms ? new ConfirmWindow(settings.confirmWindow, this.#confirmLatency) : undefined,
    });
    connection.inbound.publishers[channel] = publisher;
    this.#publishers.push(publisher);
  }

  async #addConsumer(connection: ClientConnection, plan: ConsumerPlan): Promise<void> {
    const { settings } = this.#share;
    const channel = await connection.openChannel();
    if (settings.prefetch > 0) {
      const qos = {
        name: 'basic.qos',
        prefetchSize: 0,
        prefetchCount: settings.prefetch,
        global: false,
      } as const;
      await connection.call(channel, qos, 'basic.qos-ok');
    }
    const { autoAck, ackEvery } = settings;
    const stamped = settings.sizeBytes >= stampLayout.bytes;
    const mayAck = settings.level ? () => this.#isLevel() : undefined;
    const consumer = new Consumer(
      { channel, autoAck, ackEvery, stamped, mayAck },
      this.#sequencesOf(plan.queue),
      this.#latency,
    );
    connection.inbound.consumers[channel] = consumer;
    this.#consumers.push(consumer);
    this.#consumerStarts.push(() =>
      connection.call(
        channel,
        {
          name: 'basic.consume',
          queue: plan.queue,
          consumerTag: `c${channel}`,
          noLocal: false,
          noAck: autoAck,
          exclusive: false,
          noWait: false,
          arguments: {},
        },
        'basic.consume-ok',
      ),
    );
  }

  #sequencesOf(queue: string): QueueSequences {
    let sequences = this.#queues.get(queue);
    if (sequences === undefined) {
      sequences = new QueueSequences(queue, this.#share.freshFrom);
      this.#queues.set(queue, sequences);
    }
    return sequences;
  }

  /** Divides `count` more messages among the publishers and lets them go. */
  #letOut(count: number): void {
    const { length } = this.#publishers;
    this.#publishers.forEach((publisher, i) => {
      const own = Number.isFinite(count) ? Math.floor(count / length) + (i < count % length ? 1 : 0) : count;
      publisher.limit = publisher.published + own;
      publisher.pump();
    });
  }

  /** Not more consumed than published: what was in the queue before stays as much as it was. */
  #isLevel(): boolean {
    return sum(this.#consumers, (c) => c.received) <= sum(this.#publishers, (p) => p.published);
  }

  #sendDeferredAcks(): void {
    if (!this.#isLevel()) return;
    for (const connection of this.#connections) connection.sendAcks();
  }

  #tick(): void {
    const now = monotonicMicros();
    for (const publisher of this.#publishers) publisher.tick(now);
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
