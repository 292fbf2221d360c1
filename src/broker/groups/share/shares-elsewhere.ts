import type { Json } from '../../../base/value-json.ts';
import type { ShardLink, ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { AnyPartition } from '../../streams/any-partition.ts';
import type { Streams } from '../../streams/streams.ts';
import { GroupError, type GroupErrorKind } from '../group-error.ts';
import type { AskedShares, MovedShare, ShareOffset, StreamTargets } from './own-shares.ts';
import type { ShareGroupElsewhere } from './share-group-elsewhere.ts';
import type { ShareGroupName } from './share-group-names.ts';
import { groupNames } from './share-operations.ts';
import { movedOf, moveQuestion, offsetsOf } from './share-questions.ts';

export interface SharesElsewhereDeps {
  readonly seat: ShardSeat;
  readonly streams: Streams;
  everywhere(): Promise<void>;
  onProblem(fields: object, message: string): void;
}

/** Of a stream: how many of its first partitions the group has begun on, in all shards. */
type Begun = Map<string, number>;

/** In shard 0: what share groups have in other shards. One question for each shard that is concerned. */
export class SharesElsewhere implements ShareGroupElsewhere {
  readonly #deps: SharesElsewhereDeps;
  readonly #links: readonly ShardLink[];
  /** Asked again after each start. */
  readonly #begun = new WeakMap<ShareGroupName, Begun>();

  constructor(deps: SharesElsewhereDeps) {
    this.#deps = deps;
    this.#links = deps.seat.links.filter((link) => link !== undefined);
  }

  isMissing(group: ShareGroupName, streamId: string): boolean {
    const partitions = this.#partitionsOf(streamId);
    const begun = this.#begunOf(group);
    for (let index = begun.get(streamId) ?? 0; index < partitions.length; index++) {
      if (partitions[index].isRemote) return true;
    }
    return false;
  }

  async begin(group: ShareGroupName, streamIds: readonly string[]): Promise<void> {
    // Whoever forgets the streams meanwhile makes another one.
    const begun = this.#begunOf(group);
    const counts = new Map<string, number>();
    const asked = new Map<number, Set<string>>();
    for (const id of streamIds) {
      const partitions = this.#partitionsOf(id);
      counts.set(id, partitions.length);
      for (let index = begun.get(id) ?? 0; index < partitions.length; index++) {
        const { isRemote, shard } = partitions[index];
        if (isRemote) added(asked, shard, id);
      }
    }
    try {
      // They have to know the group and the streams, and what is set for the group.
      await this.#deps.everywhere();
      const refused = await Promise.all(
        Array.from(asked, ([shard, ids]) => this.#begin(group, shard, [...ids])),
      );
      for (const ids of refused) for (const id of ids) counts.delete(id);
      for (const [id, count] of counts) begun.set(id, count);
    } catch (error) {
      const { id, vhost } = group;
      this.#deps.onProblem(
        { err: error, group: id, vhost },
        'a share group cannot begin in other shards yet',
      );
    }
  }

  release(group: ShareGroupName, memberIds: readonly string[]): void {
    for (const link of this.#links)
      link.tell({ op: 'share.release', ...groupNames(group), members: memberIds });
  }

  /** @throws GroupError as the other shards do */
  async move(
    group: ShareGroupName,
    streams: readonly StreamTargets[],
    isWanted: boolean,
  ): Promise<readonly MovedShare[]> {
    await this.#deps.everywhere();
    const asked = this.#byShard(streams);
    const answers = await Promise.all(
      Array.from(asked, ([shard, of]) => this.#ask(shard, moveQuestion(group, of, isWanted))),
    );
    return answers.flatMap((answer) => {
      const { moved, refused, text } = answer as { moved: Json; refused?: GroupErrorKind; text: string };
      if (refused !== undefined) throw new GroupError(refused, text);
      return movedOf(moved);
    });
  }

  /** Resolves when the other shards know nothing of the streams any more. */
  async forget(group: ShareGroupName, streamIds: readonly string[]): Promise<void> {
    const left = new Map(this.#begunOf(group));
    for (const id of streamIds) left.delete(id);
    this.#begun.set(group, left);
    const question = { op: 'share.forget', ...groupNames(group), streams: streamIds };
    await Promise.all(this.#links.map((link) => link.ask(question)));
  }

  /** Of each group, in their order. */
  async offsets(asked: readonly AskedShares<ShareGroupName>[]): Promise<readonly (readonly ShareOffset[])[]> {
    const groups = asked.map(({ group, streamIds }) => ({ ...groupNames(group), streams: streamIds }));
    const question = { op: 'share.offsets', groups };
    const answers = (await Promise.all(this.#links.map((link) => link.ask(question)))) as Json[][];
    return asked.map((_, at) => answers.flatMap((answer) => offsetsOf(answer[at])));
  }

  streamRemoved(group: ShareGroupName, streamId: string): void {
    this.#begun.get(group)?.delete(streamId);
  }

  /** Those that the group may not read all partitions of in that shard. */
  async #begin(group: ShareGroupName, shard: number, streams: readonly string[]): Promise<string[]> {
    const question = { op: 'share.begin', ...groupNames(group), streams };
    const hasBegun = (await this.#ask(shard, question)) as readonly boolean[];
    return streams.filter((_, at) => !hasBegun[at]);
  }

  #ask(shard: number, question: ShardNote): Promise<Json> {
    const link = this.#deps.seat.links[shard];
    if (link === undefined) throw new Error(`there is no shard ${shard}`);
    return link.ask(question);
  }

  /** What each shard has of it. */
  #byShard(streams: readonly StreamTargets[]): Map<number, StreamTargets[]> {
    const asked = new Map<number, StreamTargets[]>();
    for (const { streamId, targets } of streams) {
      const partitions = this.#partitionsOf(streamId);
      const byShard = new Map<number, [number, StreamTargets['targets'][number][1]][]>();
      for (const [index, target] of targets) {
        const partition = partitions[index];
        if (partition?.isRemote !== true) continue;
        const of = byShard.get(partition.shard);
        if (of === undefined) byShard.set(partition.shard, [[index, target]]);
        else of.push([index, target]);
      }
      for (const [shard, of] of byShard) {
        const known = asked.get(shard);
        if (known === undefined) asked.set(shard, [{ streamId, targets: of }]);
        else known.push({ streamId, targets: of });
      }
    }
    return asked;
  }

  #partitionsOf(streamId: string): readonly AnyPartition[] {
    return this.#deps.streams.byId(streamId)?.partitions ?? [];
  }

  #begunOf(group: ShareGroupName): Begun {
    let begun = this.#begun.get(group);
    if (begun === undefined) this.#begun.set(group, (begun = new Map()));
    return begun;
  }
}

function added(sets: Map<number, Set<string>>, shard: number, id: string): void {
  const set = sets.get(shard);
  if (set === undefined) sets.set(shard, new Set([id]));
  else set.add(id);
}
