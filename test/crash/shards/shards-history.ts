import type { Broker } from '../../../src/broker/broker.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { decodeOperation, type MetadataOperation } from '../../../src/broker/topology/metadata.ts';
import type { QueueLog } from '../../../src/log/queues/queue-log.ts';
import { ExpectedQueue, HistoryError, NO_BLOCK } from '../expected-queue.ts';
import { idInFrame, type TestMessage } from '../test-message.ts';
import { ExpectedTopology } from './expected-topology.ts';

/** A message on its way: to which queues, and what became of it there. */
interface Sent {
  readonly message: TestMessage;
  readonly from: number;
  readonly queues: readonly AnyQueue[];
  /** The block of each queue, by its id, in the journal of its shard; 0 if it is in none. */
  readonly blocks: Map<number, number>;
}

const TOPOLOGY: readonly MetadataOperation['op'][] = [
  'queue.declare',
  'queue.delete',
  'binding.add',
  'binding.remove',
];

/**
 * What was done to a broker with several shards. Blocks are learnt where they are written: each store is watched for messages
 * that are appended, and that of shard 0 for metadata. All else is what clients see.
 */
export class ShardsHistory {
  readonly topology = new ExpectedTopology();
  readonly messages = new Map<number, TestMessage>();
  /** Of the shard that each queue is in, by id. */
  readonly queues = new Map<number, ExpectedQueue>();
  /** By shard: every block up to this one was reported durable. */
  readonly confirmed: number[];
  /** Messages that somebody waits for. */
  waiting = 0;
  readonly #sent = new Map<number, Sent>();
  /** By sending shard and queue: messages that have not arrived, in order. */
  readonly #onTheWay = new Map<string, number[]>();
  readonly #note: (line: string) => void;

  constructor(shards: number, note: (line: string) => void) {
    this.confirmed = new Array(shards).fill(NO_BLOCK);
    this.#note = note;
  }

  /** From now on what this shard stores is known. `fail` is told of what must not be. */
  watch(shard: number, { shard: { store }, vhosts }: Broker, fail: (error: unknown) => void): void {
    const { append, appendMetadata, removeLog } = store;
    store.append = (...given) => {
      const isJournaled = append.apply(store, given);
      const block = isJournaled ? store.journal.blockNumber : NO_BLOCK;
      try {
        for (const log of given[0]) {
          this.#arrived(shard, log, log.durable ? block : NO_BLOCK, store, vhosts.get('/')!.queues());
        }
      } catch (error) {
        fail(error);
      }
      return isJournaled;
    };
    store.removeLog = (log) => {
      const queue = this.queues.get(log.id);
      // What becomes of it is of no account, unless its deletion is taken back.
      if (queue !== undefined) queue.deletedBlock = 0;
      this.#note(`shard ${shard}: queue ${log.id} is removed, in block ${store.journal.blockNumber}`);
      removeLog.call(store, log);
    };
    if (shard > 0) return;
    store.appendMetadata = (operation) => {
      appendMetadata.call(store, operation);
      const { op } = JSON.parse(Buffer.from(operation).toString('utf8')) as { op: MetadataOperation['op'] };
      if (!TOPOLOGY.includes(op)) return;
      const block = store.journal.blockNumber;
      this.#note(`shard 0: ${Buffer.from(operation).toString('utf8')} in block ${block}`);
      this.topology.journaled(decodeOperation(Buffer.from(operation)), block);
    };
  }

  /** The queue in its shard. */
  expectedOf({ id, name, durable }: Pick<AnyQueue, 'id' | 'name' | 'durable'>): ExpectedQueue {
    let queue = this.queues.get(id);
    if (queue === undefined) {
      if (durable && !this.topology.knows(id)) {
        throw new HistoryError(`queue ${name}, id ${id}, is in its shard, but was never declared in shard 0`);
      }
      queue = new ExpectedQueue(name, durable, id, NO_BLOCK);
      this.queues.set(id, queue);
    }
    return queue;
  }

  /** Before the message is published. */
  sent(message: TestMessage, from: number, queues: readonly AnyQueue[]): void {
    this.messages.set(message.id, message);
    this.#sent.set(message.id, { message, from, queues, blocks: new Map() });
    for (const { id } of queues) this.#wayOf(from, id).push(message.id);
  }

  /** Its publisher was told that it is safe. `isSynced`: then it is on the disks. */
  safe(id: number, isRefused: boolean, isSynced: boolean): void {
    const { message, queues, blocks } = this.#sent.get(id) as Sent;
    if (isRefused) throw new HistoryError(`message ${id} was refused`);
    for (const queue of queues) {
      const expected = this.queues.get(queue.id);
      if (expected?.isDeleted === true) continue;
      const block = blocks.get(queue.id);
      if (block === undefined) {
        // It may have been deleted in its shard before anything came there.
        if (expected === undefined && this.topology.queues.get(queue.name)?.id !== queue.id) continue;
        throw new HistoryError(`message ${id} is said to be safe, and is not in ${queue.name}`);
      }
      if (isSynced && message.isKept && queue.durable) this.confirm(queue.shard, block);
    }
    this.#sent.delete(id);
  }

  isWaitedFor(id: number): boolean {
    return this.#sent.has(id);
  }

  confirm(shard: number, block: number): void {
    this.confirmed[shard] = Math.max(this.confirmed[shard], block);
  }

  /** The broker stopped in an orderly way: everything that was done is durable. */
  closed(lasts: readonly number[]): void {
    for (const [shard, last] of lasts.entries()) this.confirm(shard, last);
    for (const queue of this.queues.values()) queue.settlementsAreSafe();
    this.ended();
  }

  /** All is gone but what the disks have. */
  ended(): void {
    this.#sent.clear();
    this.#onTheWay.clear();
    this.waiting = 0;
  }

  #arrived(
    shard: number,
    log: QueueLog,
    block: number,
    store: Broker['shard']['store'],
    queues: Iterable<AnyQueue>,
  ): void {
    const queue = [...queues].find((each) => each.id === log.id && !each.isRemote) as Queue | undefined;
    if (queue === undefined) throw new HistoryError(`shard ${shard} appends to log ${log.id} of no queue`);
    const expected = this.expectedOf(queue);
    const position = log.positionOf(log.end - 1);
    const id = idInFrame(store.chunks.of(position).buffer, position >>> 0);
    const sent = this.#sent.get(id);
    if (sent === undefined)
      throw new HistoryError(`message ${id} comes to ${queue.name}, and nobody sent it`);
    const way = this.#wayOf(sent.from, queue.id);
    const first = way.shift();
    if (first !== id) {
      throw new HistoryError(
        `message ${id} of shard ${sent.from} comes to ${queue.name}, and ${first} was sent before it`,
      );
    }
    if ((sent.message.isKept && queue.durable) !== block > NO_BLOCK) {
      throw new HistoryError(`message ${id} in ${queue.name} is in block ${block}`);
    }
    this.#note(`shard ${shard}: ${id} comes to ${queue.name}, in block ${block}`);
    sent.blocks.set(queue.id, block);
    expected.published(sent.message, block, () => true);
  }

  #wayOf(from: number, queue: number): number[] {
    const key = `${from} ${queue}`;
    const known = this.#onTheWay.get(key);
    if (known !== undefined) return known;
    const way: number[] = [];
    this.#onTheWay.set(key, way);
    return way;
  }
}
