import type { MessageView } from '../../records/message-view.ts';
import type { SharedRoom } from '../doors/shared-room.ts';
import type { RemotePublishing, RemoteTarget } from '../shard/remote-publishing.ts';
import type { Shard } from '../shard/shard.ts';
import type { KnownMetadata } from './known-metadata.ts';
import { PublishOut } from './publish-out.ts';

interface Paused {
  readonly targets: readonly RemoteTarget[];
  readonly listener: () => void;
}

/** Publishing to queues of all other shards. */
export class PublishingElsewhere implements RemotePublishing {
  /** By the number of the shard. */
  readonly #outs: readonly (PublishOut | undefined)[];
  #paused: Paused[] = [];

  constructor(shard: Shard, rooms: readonly (SharedRoom | undefined)[], metadata: KnownMetadata) {
    const onRelief = this.relieve.bind(this);
    this.#outs = rooms.map((room) =>
      room === undefined ? undefined : new PublishOut(room, shard, metadata, onRelief),
    );
  }

  publish(
    targets: readonly RemoteTarget[],
    messageView: MessageView,
    persistent: boolean,
    token: number,
  ): void {
    for (let i = 0; i < targets.length; i++) {
      const { shard, queues } = targets[i];
      this.#out(shard).add(queues, messageView, persistent, token);
    }
  }

  /** What was published so far to this shard is in its ring before what comes next. */
  flush(shard: number): void {
    this.#out(shard).pump();
  }

  mustPause(targets: readonly RemoteTarget[]): boolean {
    for (let i = 0; i < targets.length; i++) {
      if (this.#out(targets[i].shard).isFull || isAnyPaused(targets[i])) return true;
    }
    return false;
  }

  onResume(targets: readonly RemoteTarget[], listener: () => void): void {
    this.#paused.push({ targets, listener });
  }

  /** There is more room on the way, or in a queue: some of those who wait may go on. */
  relieve(): void {
    if (this.#paused.length === 0) return;
    const paused = this.#paused;
    this.#paused = [];
    for (const each of paused) {
      if (this.#mayGoOn(each.targets)) each.listener();
      else this.#paused.push(each);
    }
  }

  #mayGoOn(targets: readonly RemoteTarget[]): boolean {
    return targets.every((target) => this.#out(target.shard).isRelieved && !isAnyPaused(target));
  }

  #out(shard: number): PublishOut {
    const out = this.#outs[shard];
    if (out === undefined) throw new Error(`there is no shard ${shard} to publish to`);
    return out;
  }
}

function isAnyPaused({ queues }: RemoteTarget): boolean {
  for (let i = 0; i < queues.length; i++) if (queues[i].isPaused) return true;
  return false;
}
