import { type Json, tableFromJson } from '../../../base/value-json.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import { BrokerError } from '../../errors.ts';
import type { Queue } from '../../queues/queue.ts';
import type { Shard } from '../../shard/shard.ts';
import { flag, number, text } from '../command-codec.ts';
import { AttachedConsumers } from './attached-consumers.ts';
import { AttachedGet, answerFailed } from './attached-gets.ts';

/** What consumers in other shards ask of the queues of this one. */
export class ConsumeService {
  /** By the number of the other shard. */
  readonly peers: readonly (AttachedConsumers | undefined)[];

  constructor(rooms: readonly (SharedRoom | undefined)[], shard: Shard) {
    this.peers = rooms.map((room) => (room === undefined ? undefined : new AttachedConsumers(room, shard)));
  }

  /** @throws BrokerError as `Queue.addConsumer` */
  attach(from: number, queue: Queue, note: ShardNote): Json {
    const prefetch = number(note, 'prefetch');
    this.#peer(from).attach(queue, {
      number: number(note, 'number'),
      allowance: note.allowance === null ? Number.POSITIVE_INFINITY : number(note, 'allowance'),
      tag: text(note, 'tag'),
      credit: prefetch === 0 ? Number.POSITIVE_INFINITY : prefetch,
      exclusive: flag(note, 'exclusive'),
      priority: number(note, 'priority'),
      arguments: tableFromJson(note.arguments as { readonly [key: string]: Json }),
    });
    return true;
  }

  /** basic.get. The queue may be gone, or cannot be read: that is what it is answered then. */
  get(from: number, note: ShardNote, find: (note: ShardNote) => Queue): void {
    const peer = this.#peer(from);
    let queue: Queue;
    try {
      queue = find(note);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      answerFailed(peer, number(note, 'number'), error);
      return;
    }
    new AttachedGet(peer, queue, number(note, 'number')).begin();
  }

  #peer(from: number): AttachedConsumers {
    const peer = this.peers[from];
    if (peer === undefined) throw new Error(`there is no door to shard ${from}`);
    return peer;
  }
}
