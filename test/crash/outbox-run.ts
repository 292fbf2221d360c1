import { Tx } from '../../src/broker/publishing/tx.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import type { OutboxLimits } from '../../src/broker/shards/outbox/outbox.ts';
import type { Durability } from '../../src/log/journal/journal-files.ts';
import type { MessageView } from '../../src/records/message-view.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { TestConsumer } from '../broker/test-broker.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { HistoryError } from './expected-queue.ts';
import { type Fate, OutboxHistory, type Way } from './outbox-history.ts';
import { OutboxNetwork } from './outbox-network.ts';
import { OutboxNode, STREAM } from './outbox-node.ts';
import { SimulatedTime } from './simulated-time.ts';
import { valuesIn } from './stream-values.ts';

const KIB = 1024;
const STEPS_MAX = 60_000;
const TAIL_LINES = 60;
const DEAD = 'dead';
const LATER = 'later';

/** A shard's disk and clock, which stay when the shard ends. */
interface Machine {
  readonly time: SimulatedTime;
  fs: SimulatedFileSystem;
  node: OutboxNode;
  /** Of the node that runs: what an earlier one does still means nothing. */
  life: number;
  /** Transactions that wait for room. */
  waitingCommits: number;
}

/**
 * Two or three shards whose messages leave for each other: dead letters, delayed messages, transactions. The links lose, repeat, reorder
 * and delay frames, and shards lose their power, all at once or one alone. What left has to be at its target exactly once, in order.
 */
export class OutboxRun {
  readonly random: () => number;
  readonly network: OutboxNetwork;
  readonly #machines: Machine[] = [];
  readonly #count: number;
  readonly #durability: Durability;
  readonly #limits: OutboxLimits;
  #error: Error | null = null;
  readonly #history: OutboxHistory;
  readonly #lines: string[] = [];
  /** What each target has, in order; a stream in each of its partitions. */
  readonly #ids = new Map<string, readonly (readonly number[])[]>();

  /** `isForgetful`: what is confirmed need not be on the disk; then what is published after the last crash must come, once. */
  constructor(seed: number, isForgetful = false) {
    this.random = seededRandom(seed);
    this.#history = new OutboxHistory(isForgetful);
    this.#count = this.between(2, 3);
    this.#durability = isForgetful ? { mode: 'interval', intervalMs: 50 } : { mode: 'sync' };
    this.#limits = this.pick([
      { entries: 5, bytes: 4 * KIB },
      { entries: 40, bytes: 16 * KIB },
      { entries: 100_000, bytes: 64 * KIB * KIB },
    ]);
    const badness = this.pick([0, 0.02, 0.1, 0.3]);
    this.network = new OutboxNetwork(this.random, {
      loss: badness * this.random(),
      repetition: badness * this.random(),
      reordering: badness * this.random() * 2,
      refusal: badness * this.random(),
    });
  }

  async run(): Promise<void> {
    for (let number = 0; number < this.#count; number++) this.#addMachine();
    await this.#startAll();
    for (let rounds = this.between(1, 3); rounds > 0; rounds--) {
      await this.#work(this.between(2, 14));
      await this.#interrupt();
    }
    await this.#work(this.between(1, 4));
    this.network.heal();
    await this.#settle();
    await this.#read();
    this.#check();
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  tail(): string {
    return this.#lines.slice(-TAIL_LINES).join('\n');
  }

  #note(line: string): void {
    this.#lines.push(line);
  }

  #addMachine(): void {
    const time = new SimulatedTime(this.random);
    const fs = new SimulatedFileSystem({ schedule: (run) => time.operation(run) });
    this.#machines.push({ time, fs, node: null as unknown as OutboxNode, life: 0, waitingCommits: 0 });
  }

  async #startAll(): Promise<void> {
    await this.#until(Promise.all(this.#machines.map((_, number) => this.#start(number))));
    this.#note('all have started');
  }

  async #start(number: number): Promise<void> {
    const machine = this.#machines[number];
    const life = ++machine.life;
    machine.waitingCommits = 0;
    const chunkBytes = this.between(1, 4) * 4 * KIB;
    machine.node = new OutboxNode({
      number,
      count: this.#count,
      queues: 3 * this.#count,
      network: this.network,
      limits: this.#limits,
      storage: {
        directory: '/data',
        fileSystem: machine.fs,
        clock: machine.time,
        scheduler: machine.time,
        durability: this.#durability,
        chunkBytes,
        journalFileBytes: this.between(1, 4) * 8 * KIB,
        journalBytes: this.between(4, 8) * 8 * KIB,
        memoryBytes: this.between(2, 8) * 8 * KIB,
        segmentBytes: this.between(1, 2) * 8 * KIB,
        diskFreeBytes: 0,
        reclaimMs: this.pick([1, 10, 100, 2000]),
        streamUpkeep: {},
      },
      onProblem: (error) => {
        if (machine.life === life) this.#error ??= error;
      },
    });
    await machine.node.recover();
    if (machine.node.vhost === undefined) await this.#declare(machine.node);
  }

  /** The same in all shards, in the same order, so that each queue has one id. */
  async #declare(node: OutboxNode): Promise<void> {
    const { vhosts, shard } = node;
    const vhost = vhosts.create('/');
    const common = { durable: true, autoDelete: false };
    vhost.declareExchange({ name: DEAD, type: 'direct', internal: false, arguments: {}, ...common });
    vhost.declareExchange({
      name: LATER,
      type: 'x-delayed-message',
      internal: false,
      arguments: { 'x-delayed-type': 'direct' },
      ...common,
    });
    vhost.declareExchange({ name: STREAM, type: 'fanout', internal: false, arguments: {}, ...common });
    for (let number = 0; number < this.#count; number++) {
      const place = { 'x-shard': number };
      const source = { ...place, 'x-message-ttl': 20, 'x-dead-letter-exchange': DEAD };
      for (const [name, args] of [
        [`s${number}`, source],
        [`t${number}`, place],
        [`u${number}`, place],
      ] as const) {
        vhost.declareQueue({ name, exclusive: false, arguments: args, ...common }, null);
      }
      for (const destination of [`t${number}`, `u${number}`]) {
        for (const source of [DEAD, LATER]) {
          for (const routingKey of [`${number}`, 'all', `${number}.log`, 'all.log'])
            vhost.bindQueue({ source, destination, routingKey, arguments: {} }, null);
        }
      }
    }
    for (const source of [DEAD, LATER]) {
      const bases = this.#machines.map((_, number) => `${number}.log`);
      for (const routingKey of [...bases, 'all.log', 'log'])
        vhost.bindExchange({ source, destination: STREAM, routingKey, arguments: {} });
    }
    node.attachStream();
    await shard.store.journal.flush();
    // Whatever the disk forgets: what is declared once is not declared again after a crash.
    await shard.store.device.sync();
  }

  async #work(operations: number): Promise<void> {
    for (; operations > 0; operations--) {
      const from = this.between(0, this.#count - 1);
      const share = this.random();
      if (share < 0.4) for (let n = this.between(1, 12); n > 0; n--) this.#deadLetter(from);
      else if (share < 0.6) for (let n = this.between(1, 5); n > 0; n--) this.#delay(from);
      else if (share < 0.8) this.#commit(from);
      else if (share < 0.85) this.#cutLink();
      await this.#steps(this.pick([0, 3, 30, 120]));
    }
  }

  #cutLink(): void {
    const one = this.between(0, this.#count - 1);
    const other = (one + 1) % this.#count;
    const isDown = this.random() < 0.4;
    this.#note(`the link between ${one} and ${other} is ${isDown ? 'down' : 'there'}`);
    this.network.setDown(one, other, isDown);
  }

  #newFate(way: Way, from: number, persistent: boolean, together: readonly number[] = []): Fate {
    const share = this.random();
    const isLogged = share < 0.4;
    const to =
      share < 0.1
        ? []
        : this.random() < 0.2
          ? this.#machines.map((_, number) => number)
          : [this.between(0, this.#count - 1)];
    return this.#history.add({ way, from, to, isLogged, persistent, together });
  }

  #deadLetter(from: number): void {
    const { node } = this.#machines[from];
    if (node.publisher.mustPause) return;
    const persistent = this.random() < 0.85;
    const fate = this.#newFate('dead-letter', from, persistent);
    this.#publish(fate, (view) => {
      const source = node.queue(`s${from}`);
      view.key = keyOf(fate);
      view.keyEnd = view.key.length;
      return {
        queues: [source],
        streams: [],
        directReplies: [],
        delayMs: -1,
        isCutOff: false,
        version: 0,
        cacheable: false,
      };
    });
  }

  #delay(from: number): void {
    const { node } = this.#machines[from];
    if (node.publisher.mustPause) return;
    const fate = this.#newFate('delay', from, this.random() < 0.85);
    const delayMs = this.between(1, 200);
    this.#publish(fate, (view) => {
      view.exchange = Buffer.from(LATER);
      view.exchangeEnd = view.exchange.length;
      view.delayMs = delayMs;
      view.properties = amqp091Codec.edit(view.properties, 0, view.propertiesEnd, {
        set: { 'x-delay': delayMs },
        remove: [],
      });
      view.propertiesEnd = view.properties.length;
      return this.#routeOf(node, LATER, fate, delayMs);
    });
  }

  #publish(
    fate: Fate,
    route: (view: MessageView) => Parameters<OutboxNode['publisher']['publish']>[0],
  ): void {
    const machine = this.#machines[fate.from];
    const { node, life } = machine;
    node.shard.turn.touch();
    this.#fill(node.publisher.messageView, fate);
    const block = node.publisher.publish(route(node.publisher.messageView), fate.persistent);
    node.shard.whenDurable(block, {
      onDurable: () => {
        if (machine.life === life) fate.isConfirmed = true;
      },
    });
  }

  #routeOf({ vhost }: OutboxNode, exchange: string, fate: Fate, delayMs: number) {
    const headers = delayMs < 0 ? null : { 'x-delay': delayMs };
    if (vhost === undefined) throw new Error('there is no virtual host');
    return vhost.route(vhost.exchangeForPublish(exchange), keyOf(fate).toString(), {
      headers: () => headers,
      property: () => null,
    });
  }

  /** A transaction with messages for several shards: it waits while an outbox is full. */
  #commit(from: number): void {
    const machine = this.#machines[from];
    const { node, life } = machine;
    const tx = new Tx(node.shard, node.deadLettering, new Unacknowledged());
    const together: number[] = [];
    const fates: Fate[] = [];
    for (let n = this.between(1, 5); n > 0; n--) {
      const fate = this.#newFate('tx', from, true, together);
      together.push(fate.id);
      fates.push(fate);
      this.#fill(node.publisher.messageView, fate);
      tx.publish(this.#routeOf(node, DEAD, fate, -1), true, node.publisher.messageView);
    }
    const tryIt = (): void => {
      if (machine.life !== life || tx.mustWait(tryIt)) return;
      machine.waitingCommits--;
      this.#note(`shard ${from} commits ${together}`);
      this.#history.committed(fates);
      tx.commit(() => {
        if (machine.life !== life) return;
        for (const fate of fates) fate.isConfirmed = true;
      });
    };
    node.shard.turn.touch();
    machine.waitingCommits++;
    tryIt();
  }

  #fill(view: MessageView, fate: Fate): void {
    const body = Buffer.from(`${fate.id}`.padEnd(this.random() < 0.1 ? this.between(100, 3000) : 20));
    view.clear();
    view.key = keyOf(fate);
    view.keyStart = 0;
    view.keyEnd = view.key.length;
    view.body = body;
    view.bodyStart = 0;
    view.bodyEnd = body.length;
    view.exchangeStart = 0;
    view.exchangeEnd = 0;
    view.properties = fate.persistent ? Buffer.from([0x10, 0, 2]) : Buffer.from([0, 0]);
    view.propertiesStart = 0;
    view.propertiesEnd = view.properties.length;
    view.protocol = amqp091Codec.source;
    view.delayMs = -1;
  }

  /** Shards end, and start again. */
  async #interrupt(): Promise<void> {
    const share = this.random();
    if (share < 0.15) return;
    if (share < 0.55) {
      for (const [number] of this.#machines.entries()) await this.#end(number);
      this.network.clear();
      await this.#startAll();
      return;
    }
    const number = this.between(0, this.#count - 1);
    await this.#end(number);
    this.network.forget(number);
    await this.#until(this.#start(number));
    this.#note(`shard ${number} has started`);
  }

  async #end(number: number): Promise<void> {
    const machine = this.#machines[number];
    const share = this.random();
    if (share < 0.2) {
      this.#note(`shard ${number} stops`);
      await this.#until(machine.node.close());
      machine.life++;
    } else {
      const how = share < 0.5 ? 'kill' : 'crash';
      this.#note(`shard ${number}: ${how}`);
      machine.life++;
      machine.fs = machine.fs[how](this.random);
    }
    this.#history.crashes++;
    await machine.time.forget();
  }

  async #steps(count: number): Promise<void> {
    while (count-- > 0) await this.#step();
  }

  async #step(): Promise<void> {
    const at = this.between(0, this.#machines.length);
    if (at === this.#machines.length) this.network.step();
    else {
      const { time } = this.#machines[at];
      if (time.isBusy || this.random() < 0.1) await time.step();
    }
    if (this.#error !== null) throw this.#error;
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    await this.#stepUntil(() => isDone, 'what is awaited does not end');
    return promise;
  }

  async #stepUntil(condition: () => boolean, what: string): Promise<void> {
    for (let steps = 0; !condition(); steps++) {
      if (steps === STEPS_MAX) throw new HistoryError(what);
      await this.#step();
      if (steps % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Until nothing moves any more. */
  async #settle(): Promise<void> {
    const isSettled = (): boolean =>
      this.#machines.every(({ node, waitingCommits }, number) => {
        const source = node.queue(`s${number}`);
        const waiting = source.readyCount + source.leavingCount + (node.delays.of('/')?.waitingCount ?? 0);
        const leaving = [...node.outboxes.outboxes.values()].reduce((sum, { count }) => sum + count, 0);
        return waiting + leaving + waitingCommits === 0 && node.shard.store.journal.isIdle;
      });
    await this.#stepUntil(isSettled, 'messages do not leave');
  }

  #check(): void {
    for (const { node } of this.#machines) {
      for (const queue of node.localQueues())
        if (!queue.isBalanced) throw new HistoryError(`the ledger of ${queue.name} does not balance`);
      for (const outbox of node.outboxes.outboxes.values()) {
        if (outbox.bytes !== 0 || outbox.lost !== 0)
          throw new HistoryError(`an empty outbox counts ${outbox.bytes} bytes, and ${outbox.lost} lost`);
      }
    }
    for (const [number] of this.#machines.entries())
      for (const name of [`t${number}`, `u${number}`])
        this.#history.checkTarget(name, this.#ids.get(name) ?? [], ({ to }) => to.includes(number));
    this.#history.checkTarget(STREAM, this.#ids.get(STREAM) ?? [], ({ isLogged }) => isLogged);
    this.#history.checkTogether();
    if (this.#history.crashes === 0) this.#checkSums();
  }

  #checkSums(): void {
    let left = 0;
    let arrived = 0;
    for (const [number, { node }] of this.#machines.entries()) {
      left += node.queue(`s${number}`).ledger.deadLettered;
      for (const name of [`t${number}`, `u${number}`]) arrived += node.queue(name).ledger.routed;
    }
    const dead = this.#history.fates.filter(({ way }) => way === 'dead-letter').length;
    const all = this.#history.fates.reduce((sum, { to }) => sum + 2 * to.length, 0);
    if (left !== dead || arrived !== all)
      throw new HistoryError(`${left} of ${dead} messages left, ${arrived} of ${all} arrived`);
  }

  /** What the targets have, as consumers get it. */
  async #read(): Promise<void> {
    const queues = this.#machines.flatMap(({ node }, number) => [
      node.queue(`t${number}`),
      node.queue(`u${number}`),
    ]);
    const consumers = queues.map((queue) => new TestConsumer(queue));
    await this.#stepUntil(
      () => queues.every(({ readyCount }) => readyCount === 0),
      'messages do not come out',
    );
    for (const [index, { name }] of queues.entries())
      this.#ids.set(name, [consumers[index].bodies.map(Number)]);
    const partitions = this.#machines.flatMap(({ node }) => node.ownPartitions);
    if (partitions.length !== this.#count + 1) throw new HistoryError('partitions of the stream are gone');
    const values: number[][] = [];
    for (const partition of partitions) values.push((await this.#until(valuesIn(partition))).map(Number));
    this.#ids.set(STREAM, values);
  }
}

function keyOf({ to, isLogged }: Fate): Buffer {
  const queues = to.length > 1 ? 'all' : `${to[0] ?? ''}`;
  return Buffer.from([queues, isLogged ? 'log' : ''].filter((part) => part !== '').join('.'));
}
