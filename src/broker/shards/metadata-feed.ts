import type { ShardLink } from '../doors/shard-link.ts';
import type { DurableListener, Shard } from '../shard/shard.ts';
import type { KnownMetadata } from './known-metadata.ts';

interface Change {
  readonly number: number;
  readonly operation: string;
  /** The block that it is in; what is not journaled goes with those before it. */
  readonly block: number;
  /** How many there have been with this one, since the data directory began. */
  readonly changes: number;
}

interface Waiting {
  readonly number: number;
  readonly listener: () => void;
}

/** Of the metadata of a shard that begins to follow: see `FollowedMetadata`. */
export interface MetadataPage {
  readonly operations: readonly string[];
  readonly more: boolean;
  readonly number: number;
}

/** Operations of one answer to a shard that begins to follow. */
const PAGE_OPERATIONS = 1000;

/**
 * The changes of metadata, in order, for all shards that follow shard 0: each is told when its block is on stable storage, whatever the
 * durability setting, so that no shard knows what a crash takes back.
 */
export class MetadataFeed implements DurableListener, KnownMetadata {
  readonly #shard: Shard;
  readonly #links: readonly ShardLink[];
  /** Of the change made last. */
  #number = 0;
  #told = 0;
  /** How many of all changes that ever were are durable. */
  durableChanges = 0;
  #pending: Change[] = [];
  /** The change that each other shard has applied last; -1 until it follows. */
  readonly #applied = new Map<number, number>();
  readonly #beginning = new Map<number, readonly string[]>();
  #waiting: Waiting[] = [];
  /** Shards that begin to follow as soon as everything is told. */
  #followers: (() => void)[] = [];

  constructor(shard: Shard, links: readonly ShardLink[]) {
    this.#shard = shard;
    this.#links = links;
    for (const { peer } of links) this.#applied.set(peer, -1);
  }

  /** Of the change made last. */
  get number(): number {
    return this.#number;
  }

  /** What others know of changes, they know from here. */
  whenKnown(_number: number, run: () => void): void {
    run();
  }

  /** `block`: what has to be durable before anybody hears of it. */
  add(operation: Uint8Array, block: number, changes: number): void {
    const last = this.#pending.at(-1)?.block ?? 0;
    const change = {
      number: ++this.#number,
      operation: Buffer.from(operation).toString('utf8'),
      block: Math.max(block, last),
      changes,
    };
    this.#pending.push(change);
    if (this.#pending.length === 1) this.#shard.whenDurable(change.block, this);
  }

  onDurable(): void {
    const { durableBlock } = this.#shard.journalPosition;
    this.#shard.whenSynced(() => this.#tellUpTo(durableBlock));
  }

  #tellUpTo(lastBlock: number): void {
    let count = 0;
    const pending = this.#pending;
    while (count < pending.length && pending[count].block <= lastBlock) this.#tell(pending[count++]);
    this.#pending = pending.slice(count);
    if (this.#pending.length > 0) this.#shard.whenDurable(this.#pending[0].block, this);
    else for (const begin of this.#followers.splice(0)) begin();
    this.#answer();
  }

  #tell({ number, operation, changes }: Change): void {
    this.#told = number;
    this.durableChanges = changes;
    for (const link of this.#links) {
      if (this.#applied.get(link.peer) !== -1) link.tell({ op: 'metadata', number, operation, changes });
    }
  }

  /** `begin` is called when every change is told. */
  whenAllTold(begin: () => void): void {
    if (this.#pending.length === 0) begin();
    else this.#followers.push(begin);
  }

  /**
   * A shard begins to follow: all that there is, as operations. `from`: how many of them it has. To be called when all changes are
   * told, as those that are not may be taken back.
   */
  begin(peer: number, from: number, all: () => readonly string[]): MetadataPage {
    if (from === 0) {
      this.#beginning.set(peer, all());
      this.#applied.set(peer, this.#told);
    }
    const operations = this.#beginning.get(peer) ?? [];
    const to = Math.min(operations.length, from + PAGE_OPERATIONS);
    const more = to < operations.length;
    if (!more) this.#beginning.delete(peer);
    return {
      operations: operations.slice(from, to),
      more,
      number: this.#told,
    };
  }

  /** A shard has applied all up to this change. */
  applied(peer: number, number: number): void {
    this.#applied.set(peer, Math.max(number, this.#applied.get(peer) ?? 0));
    this.#answer();
  }

  /** `listener` is called when all changes so far are durable and in effect in all shards that follow. */
  whenEverywhere(listener: () => void): void {
    this.#waiting.push({ number: this.#number, listener });
    this.#answer();
  }

  get isEverywhere(): boolean {
    return this.everywhere === this.#number;
  }

  /** The last change that all have applied. */
  get everywhere(): number {
    let everywhere = this.#told;
    for (const number of this.#applied.values()) if (number >= 0) everywhere = Math.min(everywhere, number);
    return everywhere;
  }

  #answer(): void {
    if (this.#waiting.length === 0) return;
    const { everywhere } = this;
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count].number <= everywhere) count++;
    for (const { listener } of this.#waiting.splice(0, count)) listener();
  }
}
