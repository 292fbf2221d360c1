import type { Table } from '../../src/base/value.ts';
import type { Outcome } from './channel.ts';
import type { QueueSpec } from './entry.ts';

/**
 * What clients do. Each is complete in itself, and does nothing where it does not apply, so that a run can be made
 * shorter by leaving some of them out.
 */
export type Operation =
  | { readonly op: 'declare' | 'delete' | 'purge' | 'bind'; readonly queue: number }
  | {
      readonly op: 'publish';
      readonly channel: number;
      /** -1: to all that are bound to the fanout exchange. */
      readonly queue: number;
      readonly count: number;
      readonly size: number;
      readonly priority: number;
      readonly ttlMs: number | null;
      readonly isPersistent: boolean;
      readonly name: string | null;
    }
  | {
      readonly op: 'consume';
      readonly channel: number;
      readonly queue: number;
      readonly prefetch: number | null;
      readonly noAck: boolean;
      readonly exclusive: boolean;
      readonly priority: number;
    }
  | { readonly op: 'get'; readonly channel: number; readonly queue: number; readonly noAck: boolean }
  | {
      readonly op: 'settle';
      readonly channel: number;
      /** Which of those that can be settled, as a share of their number. */
      readonly which: number;
      readonly multiple: boolean;
      readonly outcome: Outcome;
    }
  | {
      readonly op: 'cancel' | 'gate' | 'recover' | 'close' | 'commit' | 'rollback' | 'select';
      readonly channel: number;
    }
  | { readonly op: 'policy'; readonly queue: number; readonly definition: Table | null }
  | { readonly op: 'pass'; readonly ms: number }
  | { readonly op: 'disconnect' }
  | { readonly op: 'restart'; readonly closesChannels: boolean }
  | { readonly op: 'crash' };

/** All that a run depends on. */
export interface Plan {
  readonly seed: number;
  readonly queues: readonly QueueSpec[];
  /** Whether there is so little memory that messages are paged out all the time. */
  readonly isShortOfMemory: boolean;
  readonly operations: readonly Operation[];
}

export const CHANNELS = 3;

/** Makes plans. */
export class Planner {
  readonly #random: () => number;
  readonly #seed: number;
  readonly #isShortOfMemory: boolean;
  /** After a crash a queue may know the names of messages that it had forgotten as too many. */
  readonly #mayCrash: boolean;

  constructor(seed: number, random: () => number) {
    this.#seed = seed;
    this.#random = random;
    this.#isShortOfMemory = this.#chance(0.4);
    this.#mayCrash = this.#chance(0.7);
  }

  plan(operations: number): Plan {
    const count = this.#between(1, 4);
    const queues = Array.from({ length: count }, (_, i) => this.#queue(i, count));
    const list: Operation[] = [...queues.keys()].map((queue) => ({ op: 'declare', queue }));
    for (const queue of queues.keys()) if (this.#chance(0.6)) list.push({ op: 'bind', queue });
    // Some runs are about a few things, others about all.
    const weights = WEIGHTS.map(([make, weight]) => [make, weight * this.#pick([0.3, 1, 1, 3])] as const);
    let sum = 0;
    for (const [, weight] of weights) sum += weight;
    for (let i = 0; i < operations; i++) {
      let at = this.#random() * sum;
      const [make] = weights.find(([, weight]) => (at -= weight) < 0) ?? weights[0];
      list.push(this.#operation(make, count));
    }
    return { seed: this.#seed, queues, isShortOfMemory: this.#isShortOfMemory, operations: list };
  }

  #operation(op: Operation['op'], queues: number): Operation {
    const channel = this.#between(0, CHANNELS - 1);
    const queue = this.#between(0, queues - 1);
    switch (op) {
      case 'publish': {
        const isFanout = this.#chance(0.15);
        return {
          op,
          channel,
          queue: isFanout ? -1 : queue,
          count: isFanout ? 1 : this.#pick([1, 1, 1, 2, 3, 8]),
          size: this.#isShortOfMemory ? this.#between(0, 3000) : this.#between(0, 40),
          priority: this.#chance(0.5) ? 0 : this.#between(0, 5),
          ttlMs: this.#chance(0.75) ? null : this.#pick([0, 10, 20, 30, 50, 100]),
          isPersistent: this.#chance(0.75),
          name: this.#chance(0.6) ? null : this.#pick(['a', 'b', 'c', 'd']),
        };
      }
      case 'consume':
        return {
          op,
          channel,
          queue,
          prefetch: this.#pick([1, 1, 2, 5, null]),
          noAck: this.#chance(0.1),
          exclusive: this.#chance(0.04),
          priority: this.#chance(0.7) ? 0 : this.#between(-1, 2),
        };
      case 'get':
        return { op, channel, queue, noAck: this.#chance(0.3) };
      case 'settle':
        return {
          op,
          channel,
          which: this.#random(),
          multiple: this.#chance(0.25),
          outcome: this.#pick(['ack', 'ack', 'drop', 'requeue', 'return']),
        };
      case 'declare':
      case 'delete':
      case 'purge':
      case 'bind':
        return { op, queue };
      case 'policy':
        return { op, queue, definition: this.#chance(0.3) ? null : this.#policy(queues) };
      case 'pass':
        return { op, ms: this.#pick([1, 5, 10, 10, 20, 30, 50, 100, 300, 2000]) };
      case 'disconnect':
        return { op };
      case 'crash':
        return this.#mayCrash ? { op } : { op: 'restart', closesChannels: false };
      case 'restart':
        return { op, closesChannels: this.#chance(0.5) };
      default:
        return { op, channel };
    }
  }

  #queue(index: number, count: number): QueueSpec {
    const exclusive = this.#chance(0.08);
    const args: Record<string, Table[string]> = {};
    for (const [key, value] of Object.entries(this.#features(count, 0.25))) args[`x-${key}`] = value;
    if (args['x-dead-letter-exchange'] === undefined) delete args['x-dead-letter-routing-key'];
    if (this.#chance(0.3)) args['x-max-priority'] = this.#between(1, 4);
    if (this.#chance(0.15)) args['x-single-active-consumer'] = true;
    const isQuorum = !exclusive && args['x-max-priority'] === undefined && this.#chance(0.2);
    if (isQuorum) args['x-queue-type'] = 'quorum';
    return {
      name: `q${index}`,
      durable: isQuorum || this.#chance(0.8),
      exclusive,
      autoDelete: !isQuorum && this.#chance(0.08),
      args,
    };
  }

  #policy(count: number): Table {
    const definition = this.#features(count, 0.2);
    return Object.keys(definition).length > 0 ? definition : { 'max-length': 3 };
  }

  /** What both arguments and policies can say. */
  #features(count: number, share: number): Record<string, Table[string]> {
    const said: Record<string, Table[string]> = {};
    if (this.#chance(share)) said['message-ttl'] = this.#pick([0, 10, 20, 30, 40, 50, 100]);
    if (this.#chance(share / 4)) said.expires = this.#pick([20, 50, 100, 300]);
    if (this.#chance(share)) said['max-length'] = this.#pick([0, 1, 2, 3, 5, 10]);
    // After a restart the bytes of what is in segments are an estimate: see `readyBodyBytes`.
    if (!this.#isShortOfMemory && this.#chance(share / 2))
      said['max-length-bytes'] = this.#pick([0, 20, 50, 100]);
    if (this.#chance(share * 2)) {
      said.overflow = this.#pick(['drop-head', 'reject-publish', 'reject-publish-dlx']);
    }
    if (this.#chance(share * 2)) {
      said['dead-letter-exchange'] = this.#pick(['', '', '', 'amq.fanout', 'nowhere']);
      if (this.#chance(0.8)) said['dead-letter-routing-key'] = `q${this.#between(0, count)}`;
    }
    if (this.#chance(share)) said['delivery-limit'] = this.#pick([0, 1, 2, 5]);
    if (this.#chance(share)) {
      said['delayed-retry-type'] = this.#pick(['all', 'failed', 'returned', 'disabled']);
      said['delayed-retry-min'] = this.#pick([10, 20, 50]);
      if (this.#chance(0.5)) said['delayed-retry-max'] = this.#pick([10, 30, 60]);
    }
    if (this.#chance(share)) {
      said['message-deduplication'] = true;
      if (this.#chance(0.4)) said['cache-ttl'] = 100;
      said['cache-size'] = this.#mayCrash ? 100 : this.#pick([1, 2, 3]);
    }
    return said;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)];
  }
}

const WEIGHTS: readonly (readonly [Operation['op'], number])[] = [
  ['publish', 35],
  ['settle', 22],
  ['consume', 8],
  ['get', 5],
  ['pass', 12],
  ['cancel', 2],
  ['gate', 2],
  ['recover', 1],
  ['close', 1],
  ['select', 1.5],
  ['commit', 2],
  ['rollback', 0.4],
  ['policy', 3],
  ['declare', 3],
  ['delete', 0.6],
  ['purge', 1],
  ['bind', 0.8],
  ['disconnect', 0.3],
  ['restart', 1],
  ['crash', 1],
];
