import { inspect, isDeepStrictEqual } from 'node:util';
import type { Table } from '../../../src/base/value.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import type { MoveBatch } from '../../../src/broker/shards/move/log-mover.ts';
import { inspectShards } from '../../../src/cli/doctor/data-directory.ts';
import type { Durability } from '../../../src/log/journal/journal-files.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { everything, type KnownQueue } from '../../broker/shards/queue-contents.ts';
import { fillView, TestConsumer } from '../../broker/test-broker.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import type { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { HistoryError } from '../expected-queue.ts';
import { SimulatedTime } from '../simulated-time.ts';
import { MoveDisk } from './move-disk.ts';
import { MoveStreams } from './move-streams.ts';

const PATIENCE_MS = 300_000;
const TAIL_LINES = 60;
const KIB = 1024;
const HOURS_MS = 3_600_000;

/** What a queue is compared by: how much of it was handed out is not known after a crash, nor are all bytes. */
function comparable({ id, contents, names, ready }: KnownQueue) {
  return { id, names, ready, contents: contents.map(({ wasDelivered: _unknown, ...rest }) => rest) };
}

/**
 * One seeded schedule: shards with queues of all kinds; then moves to fewer shards that are interrupted at any moment by a power cut
 * or a kill, with starts with the old number in between; at last a whole one. Each time all messages have to be there, once.
 */
export class MoveRun {
  readonly #random: () => number;
  readonly #time: SimulatedTime;
  readonly #disk: MoveDisk;
  readonly #lines: string[] = [];
  #error: unknown = null;
  #isAlive = true;
  #nextBody = 1;
  readonly #before: number;
  readonly #after: number;
  readonly #batch: MoveBatch;
  readonly #isSynced: boolean;
  /** Whether messages move by themselves. Where writes are not synced, a power cut may then lose them, or have them twice. */
  readonly #flows: boolean;
  /** Those that nothing happens to: what has to be in them. */
  #expected = new Map<string, ReturnType<typeof comparable>>();
  /** Bodies that are in one of the queues through which messages go, once each. */
  readonly #flowing = new Set<string>();
  readonly #delayed = new Map<string, number>();
  readonly #shardArguments = new Map<string, number>();
  readonly #streams: MoveStreams;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#time = new SimulatedTime(this.#random);
    this.#before = this.#between(2, 4);
    this.#after = this.#between(1, this.#before - 1);
    const durability = this.#pick<Durability>([
      { mode: 'sync' },
      { mode: 'sync' },
      { mode: 'interval', intervalMs: 20 },
      { mode: 'os' },
    ]);
    this.#batch = { queues: this.#pick([1, 3, 1000]), bytes: this.#pick([4 * KIB, 1024 * KIB]) };
    this.#isSynced = durability.mode === 'sync';
    this.#flows = this.#isSynced || this.#random() < 0.5;
    this.#disk = new MoveDisk(
      this.#time,
      {
        chunkBytes: this.#between(1, 4) * 4 * KIB,
        journalFileBytes: this.#between(1, 4) * 8 * KIB,
        journalLimitBytes: this.#between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.#between(2, 8) * 8 * KIB,
        segmentBytes: this.#between(1, 2) * 8 * KIB,
        reclaimMs: this.#pick([1, 10, 2000]),
        diskFreeLimitBytes: 0,
        durability,
      },
      (line) => this.#note(line),
      (error) => {
        if (this.#isAlive) this.#error ??= error;
      },
    );
    const until = <T>(promise: Promise<T>, what: string): Promise<T> => this.#until(promise, what);
    this.#streams = new MoveStreams({ disk: this.#disk, random: this.#random, until });
  }

  async run(): Promise<void> {
    this.#note(
      `${this.#before} shards, ${this.#isSynced ? '' : 'not '}synced, ${this.#flows ? '' : 'no '}flow`,
    );
    await this.#until(this.#disk.start(this.#before), 'the first start');
    await this.#fill();
    await this.#reject();
    await this.#end();
    let isDone = false;
    for (let attempts = this.#between(0, 7); attempts > 0 && !isDone; attempts--) {
      const what = this.#random();
      if (what < 0.2) await this.#startAsBefore();
      else if (what < 0.35) isDone = await this.#moveOnFullDisk();
      else isDone = await this.#moveInterrupted();
    }
    this.#note(`the whole move to ${this.#after}`);
    await this.#until(this.#disk.move(this.#after, this.#batch), 'the move');
    await this.#time.forget();
    if (this.#random() < 0.5) await this.#end();
    await this.#start(this.#after);
    this.#assertPlaces();
    if (this.#random() < 0.5) {
      await this.#reject();
      await this.#end();
      // Shards with the numbers of those that are gone: they begin anew.
      await this.#start(this.#before);
      await this.#reject();
    }
    await this.#comeDue();
    this.#streams.goOn();
  }

  tail(): string {
    return this.#lines.slice(-TAIL_LINES).join('\n');
  }

  /** Queues of all kinds, in all shards. */
  async #fill(): Promise<void> {
    for (let shard = 0; shard < this.#before; shard++) {
      await this.#declare(`plain-${shard}`, shard);
      await this.#declare(`priorities-${shard}`, shard, { 'x-max-priority': 9 });
      await this.#declare(`names-${shard}`, shard, {
        'x-message-deduplication': true,
        'x-cache-ttl': HOURS_MS * 100,
      });
      await this.#declare(`quorum-${shard}`, shard, { 'x-queue-type': 'quorum' });
      await this.#declare(`out-${shard}`, shard, {
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': `in-${shard}`,
      });
      await this.#declare(`in-${shard}`, (shard + 1) % this.#before);
    }
    await this.#command((broker, vhost) =>
      broker.commands.declareExchange(vhost, {
        name: 'later',
        type: 'x-delayed-message',
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: { 'x-delayed-type': 'direct' },
      }),
    );
    await this.#command((broker, vhost) =>
      broker.commands.bindQueue(
        vhost,
        { source: 'later', destination: 'in-0', routingKey: 'k', arguments: {} },
        null,
      ),
    );
    for (let shard = 0; shard < this.#before; shard++) {
      for (const kind of ['plain', 'priorities', 'names', 'quorum'])
        for (let i = this.#between(0, 40); i > 0; i--) await this.#publishTo(`${kind}-${shard}`, shard);
      if (!this.#flows) continue;
      for (let i = this.#between(0, 30); i > 0; i--)
        this.#flowing.add(await this.#publishTo(`out-${shard}`, shard));
      for (let i = this.#between(0, 20); i > 0; i--) await this.#delay(shard);
    }
    for (let shard = 0; shard < this.#before; shard++)
      for (const kind of ['plain', 'priorities', 'names', 'quorum'])
        await this.#consumeSome(`${kind}-${shard}`);
    await this.#streams.fill();
    await this.#time.runUntil(() => !this.#time.isBusy, PATIENCE_MS);
    await this.#until(this.#disk.flush(), 'the flush');
    await this.#capture();
  }

  async #declare(name: string, shard: number, args: Table = {}): Promise<void> {
    this.#shardArguments.set(name, shard);
    await this.#command((broker, vhost) =>
      broker.commands.declareQueue(
        vhost,
        {
          name,
          durable: true,
          exclusive: false,
          autoDelete: false,
          arguments: { ...args, 'x-shard': shard },
          shard: 0,
        },
        null,
      ),
    );
  }

  async #command(
    run: (
      broker: MoveDisk['brokers'][number],
      vhost: ReturnType<MoveDisk['vhost']>,
    ) => Parameters<MoveDisk['brokers'][number]['shard']['turnTime']['run']>[0],
  ): Promise<void> {
    const [broker] = this.#disk.brokers;
    const running = Promise.resolve(broker.shard.turnTime.run(run(broker, this.#disk.vhost(0))));
    await this.#until(
      running.then(() => broker.metadataIsSafe()),
      'a command',
    );
  }

  async #publishTo(key: string, shard: number, exchange = '', delayMs = -1): Promise<string> {
    const body = `${key} ${this.#nextBody++} ${'x'.repeat(this.#pick([0, 10, 100, 1000]))}`;
    const broker = this.#disk.brokers[shard];
    const publisher = new Publisher(broker.shard, broker.deadLettering);
    broker.shard.turn.touch();
    const { messageView } = publisher;
    fillView(messageView, key, body);
    messageView.exchange = Buffer.from(exchange);
    messageView.exchangeEnd = messageView.exchange.length;
    messageView.priority = this.#between(0, 4);
    const headers: Table =
      delayMs < 0 ? { 'x-deduplication-header': body.slice(0, 20) } : { 'x-delay': delayMs };
    const bare = Buffer.from([0x10, 0, 2]);
    messageView.properties = amqp091Codec.edit(bare, 0, bare.length, { set: headers, remove: [] });
    messageView.propertiesEnd = messageView.properties.length;
    const vhost = this.#disk.vhost(shard);
    const route = vhost.route(vhost.exchangeForPublish(exchange), key, {
      headers: () => headers,
      property: () => null,
    });
    messageView.delayMs = route.delayMs;
    publisher.publish(route, true);
    if (this.#random() < 0.3) await this.#steps(this.#between(0, 10));
    return body;
  }

  async #delay(shard: number): Promise<void> {
    const delayMs = this.#pick([50, 5000, 60_000, HOURS_MS]);
    const dueMs = this.#time.now() + delayMs;
    this.#delayed.set(await this.#publishTo('k', shard, 'later', delayMs), dueMs);
  }

  /** Some are acknowledged, some fail, some stay. */
  async #consumeSome(name: string): Promise<void> {
    const queue = this.#disk.queue(name);
    const count = Math.min(queue.readyCount, this.#between(0, 10));
    if (count === 0) return;
    const consumer = new TestConsumer(queue, { prefetch: count });
    await this.#time.runUntil(() => consumer.messages.length >= count, PATIENCE_MS);
    for (let tag = 1; tag <= count; tag++) if (this.#random() < 0.6) consumer.unacknowledged.ack(tag, false);
    consumer.consumer.cancel();
    consumer.unacknowledged.requeueAll(this.#pick(['lost', 'recovered'] as const));
  }

  /** Messages begin to move from shard to shard. */
  async #reject(): Promise<void> {
    for (let shard = 0; shard < this.#before; shard++) {
      const queue = this.#disk.queue(`out-${shard}`);
      const count = Math.min(queue.readyCount, this.#between(0, 12));
      if (count === 0) continue;
      const consumer = new TestConsumer(queue, { prefetch: count });
      await this.#time.runUntil(() => consumer.messages.length >= count, PATIENCE_MS);
      consumer.unacknowledged.reject(0, true, false);
      consumer.consumer.cancel();
    }
    await this.#steps(this.#between(0, 60));
  }

  async #startAsBefore(): Promise<void> {
    this.#note(`a start with ${this.#before}, as before`);
    await this.#start(this.#before);
    if (this.#random() < 0.5) {
      await this.#publishTo(`plain-${this.#between(0, this.#before - 1)}`, 0);
      this.#streams.goOn();
      await this.#time.runUntil(() => !this.#time.isBusy, PATIENCE_MS);
      await this.#until(this.#disk.flush(), 'the flush');
      await this.#capture();
    }
    await this.#end();
  }

  /** True if it came to its end before it was interrupted. */
  async #moveInterrupted(): Promise<boolean> {
    let isDone = false;
    let failure: unknown = null;
    this.#disk.move(this.#after, this.#batch).then(
      () => {
        isDone = true;
      },
      (error: unknown) => {
        failure = error;
      },
    );
    let taken = 0;
    for (let steps = this.#between(0, this.#pick([100, 600, 1200, 2000])); steps > 0 && !isDone; steps--) {
      taken++;
      await this.#time.step();
      if (failure !== null) throw failure;
      this.#check();
    }
    this.#note(
      isDone ? `the move is done, in ${taken} steps` : `the move is interrupted after ${taken} steps`,
    );
    await this.#end(false);
    await this.#examine();
    return isDone;
  }

  /** `sluice doctor` finds no damage in what an interruption leaves, and knows what each log is. */
  async #examine(): Promise<void> {
    const found = await this.#until(inspectShards(this.#disk.disk, '/data'), 'the doctor');
    for (const { shard, inspection } of found) {
      const { findings, strays, nameless } = inspection;
      if (findings.length + strays.length + nameless.length === 0) continue;
      throw new HistoryError(`doctor on shard ${shard}: ${inspect({ findings, strays, nameless })}`);
    }
  }

  /** There is little room, and later there is more. True if it came to its end. */
  async #moveOnFullDisk(): Promise<boolean> {
    const { disk } = this.#disk;
    const used = disk.files().reduce((sum, { size }) => sum + size, 0);
    disk.capacityBytes = used + this.#between(0, 64 * KIB);
    let outcome: string | null = null;
    this.#disk.move(this.#after, this.#batch).then(
      () => {
        outcome = 'done';
      },
      (error: Error) => {
        outcome = error.message;
      },
    );
    await this.#time.runUntil(() => outcome !== null, 60_000);
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    if (!(await this.#time.runUntil(() => outcome !== null, PATIENCE_MS)))
      throw new HistoryError('a move does not end though there is room again');
    this.#note(`a move on a full disk: ${outcome}`);
    this.#check();
    const isDone = outcome === 'done';
    if (!isDone && !/cannot be moved|nothing( more)? can be moved|do not arrive|ENOSPC/.test(outcome ?? ''))
      throw new HistoryError(`${outcome}`);
    await this.#end(false);
    await this.#examine();
    return isDone;
  }

  async #start(count: number): Promise<void> {
    await this.#until(this.#disk.start(count), `the start with ${count}`);
    await this.#compare();
  }

  async #settle(): Promise<void> {
    if (!(await this.#time.runUntil(() => this.#disk.isSettled, PATIENCE_MS)))
      throw new HistoryError('messages between shards do not arrive');
    this.#check();
  }

  async #compare(): Promise<void> {
    await this.#settle();
    await this.#streams.compare();
    const waitingBefore = this.#disk.waitingCount;
    const found = await this.#until(everything(this.#disk.brokers), 'reading');
    for (const [key, expected] of this.#expected) {
      const queue = found.get(key);
      if (queue === undefined) throw new HistoryError(`queue '${key}' is gone`);
      const own = comparable(queue);
      if (isDeepStrictEqual(own, expected)) continue;
      throw new HistoryError(`queue '${key}' is not what it was: ${difference(own, expected)}`);
    }
    await this.#settle();
    // Some came due meanwhile.
    if (this.#disk.waitingCount !== waitingBefore) return this.#compare();
    this.#compareFlow(found);
    if (this.#disk.strays.length > 0) throw new HistoryError(`there is ${this.#disk.strays.join()}`);
  }

  /** What moves by itself is in one of the places on its way. */
  #compareFlow(found: ReadonlyMap<string, KnownQueue>): void {
    const bodies: string[] = [];
    for (const [key, { contents }] of found)
      if (/^\/ (in|out)-/.test(key)) bodies.push(...contents.map(({ body }) => body));
    const seen = new Set(bodies);
    if (seen.size < bodies.length) {
      const twice = bodies.filter((body, at) => bodies.indexOf(body) < at);
      throw new HistoryError(
        `messages are there twice: ${twice.map((body) => body.slice(0, 20)).join('; ')}`,
      );
    }
    for (const body of this.#flowing)
      if (!seen.has(body)) throw new HistoryError(`message ${body.slice(0, 20)} is lost`);
    const waiting = [...this.#delayed.keys()].filter((body) => !seen.has(body)).length;
    if (waiting !== this.#disk.waitingCount)
      throw new HistoryError(`${this.#disk.waitingCount} messages are delayed, not ${waiting}`);
  }

  /** All that was delayed comes, at its time or later. */
  async #comeDue(): Promise<void> {
    const isDue = (): boolean => this.#disk.waitingCount === 0 && this.#disk.isSettled;
    if (!(await this.#time.runUntil(isDue, 2 * HOURS_MS)))
      throw new HistoryError('delayed messages do not come');
    await this.#compare();
    const { contents } = (await this.#until(everything(this.#disk.brokers), 'reading')).get(
      '/ in-0',
    ) as KnownQueue;
    for (const { body, publishedMs } of contents) {
      const dueMs = this.#delayed.get(body);
      if (dueMs !== undefined && publishedMs < dueMs - 1)
        throw new HistoryError(`${body.slice(0, 20)} came ${dueMs - publishedMs} ms early`);
    }
  }

  #assertPlaces(): void {
    for (const [name, shard] of this.#shardArguments) {
      const its = this.#disk.queue(name).shard;
      const wanted = shard < this.#after ? shard : shard % this.#after;
      if (its !== wanted) throw new HistoryError(`queue '${name}' is in shard ${its}, not ${wanted}`);
    }
  }

  async #capture(): Promise<void> {
    const found = await this.#until(everything(this.#disk.brokers), 'reading');
    this.#expected = new Map(
      [...found]
        .filter(([key]) => !/^\/ (in|out)-/.test(key))
        .map(([key, queue]) => [key, comparable(queue)]),
    );
    await this.#streams.capture();
  }

  async #end(mayClose = true): Promise<void> {
    const how = this.#random();
    if (mayClose && how < 0.4) {
      this.#note('close');
      await this.#until(this.#disk.close(), 'the close');
      await this.#time.forget();
      return;
    }
    const isCut = how < 0.7 && (this.#isSynced || !this.#flows);
    this.#note(isCut ? 'the power is cut' : 'the process is killed');
    if (mayClose && !this.#isSynced) await this.#syncAll();
    this.#isAlive = false;
    const end = (disk: SimulatedFileSystem): SimulatedFileSystem =>
      isCut ? disk.crash(this.#random) : disk.kill(this.#random);
    await this.#disk.end(end);
    this.#isAlive = true;
  }

  /** Without `sync`, what was flushed may be lost in a power cut, which this is not about. */
  async #syncAll(): Promise<void> {
    for (const { shard } of this.#disk.brokers)
      await this.#until(new Promise<void>((resolve) => shard.whenSynced(resolve)), 'the sync');
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0 && this.#time.isBusy) await this.#time.step();
    this.#check();
  }

  #until<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.#time.outcomeOf(promise, what, PATIENCE_MS, () => this.#error);
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
  }

  #note(line: string): void {
    this.#lines.push(`${this.#time.nowMs.toFixed(1)} ${line}`);
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)];
  }
}

/** In what two queues are different, first thing first. */
function difference(found: ReturnType<typeof comparable>, wanted: ReturnType<typeof comparable>): string {
  const show = (value: unknown): string => inspect(value, { maxStringLength: 40, breakLength: 160 });
  const [{ contents: own, ...ownRest }, { contents, ...rest }] = [found, wanted];
  if (!isDeepStrictEqual(ownRest, rest)) return `${show(ownRest)} instead of ${show(rest)}`;
  const at = contents.findIndex((each, index) => !isDeepStrictEqual(each, own[index]));
  return `message ${at} of ${contents.length} is ${show(own[at])} instead of ${show(contents[at])}`;
}
