import type { TurnTime, Work } from '../../base/turn-time.ts';
import type { Json } from '../../base/value-json.ts';
import type { ShardNote } from '../doors/shard-link.ts';
import { BrokerError } from '../errors.ts';
import { type AnyQueue, asLocal } from '../queues/any-queue.ts';
import type { Queue } from '../queues/queue.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import { decodeDeletion, number, text } from './command-codec.ts';
import type { ConsumeService } from './consume/consume-service.ts';

/** What other shards ask of the queues of this one. */
export class QueueService {
  readonly #vhosts: VirtualHosts<AnyQueue>;
  readonly #turnTime: TurnTime;
  readonly #consumers: ConsumeService;

  constructor(vhosts: VirtualHosts<AnyQueue>, turnTime: TurnTime, consumers: ConsumeService) {
    this.#vhosts = vhosts;
    this.#turnTime = turnTime;
    this.#consumers = consumers;
  }

  /** Null if it is none of these questions. */
  answer(from: number, question: ShardNote): Promise<Json> | Json | null {
    const { op } = question;
    if (op === 'consumer.attach') return this.#consumers.attach(from, this.#queue(question), question);
    if (op === 'queue.counts') return { ...this.#queue(question).counts };
    if (op === 'queue.purge') return this.#run(question, this.#queue(question).purgeInSteps());
    if (op === 'queue.prepare-deletion') {
      return this.#run(question, prepareDeletion(this.#queue(question), question));
    }
    return null;
  }

  touch(note: ShardNote): void {
    this.#find(note)?.touch();
  }

  /** basic.get: it is answered with a frame of its own. */
  get(from: number, note: ShardNote): void {
    this.#consumers.get(from, note, (each) => this.#queue(each));
  }

  #run(question: ShardNote, work: Work<number>): Promise<number> | number {
    return this.#turnTime.run(work, { protocol: 'AMQP', request: question.op, user: '' });
  }

  #queue(question: ShardNote): Queue {
    const queue = this.#find(question);
    if (queue !== undefined) return queue;
    throw new BrokerError(
      'not-found',
      `no queue '${text(question, 'name')}' in vhost '${text(question, 'vhost')}'`,
    );
  }

  /** It may have been deleted, and another one may have its name. */
  #find(note: ShardNote): Queue | undefined {
    const queue = asLocal(this.#vhosts.get(text(note, 'vhost'))?.findQueue(text(note, 'name')));
    return queue?.id === number(note, 'id') ? queue : undefined;
  }
}

/** What is left of the messages goes with the queue, as soon as it is heard here that it is deleted. */
function* prepareDeletion(queue: Queue, question: ShardNote): Work<number> {
  const purged = yield* queue.prepareDeletion(decodeDeletion(question));
  return purged + queue.readyCount;
}
