import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import type { Json } from '../../../base/value-json.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { Shard } from '../../shard/shard.ts';
import { GroupError } from '../group-error.ts';
import type { OwnShares } from './own-shares.ts';
import type { ShareGroup } from './share-group.ts';
import type { ShareGroupName } from './share-group-names.ts';
import type { SharePartitions } from './share-partitions.ts';
import { movedRows, nameOf, offsetRows, streamsOf, targetsOf } from './share-questions.ts';

export interface ShareServiceDeps {
  readonly shard: Shard;
  readonly partitions: SharePartitions;
  readonly own: OwnShares;
  /** The group, if it is this one and not another one with its name. */
  find(name: ShareGroupName): ShareGroup | undefined;
  /** Resolves when all changes of metadata so far are durable, and in effect in all shards. */
  everywhere(): Promise<void>;
}

/**
 * Answers what other shards ask of share groups: see share-questions.ts. Nothing is known of a group that was deleted
 * meanwhile, or has been made again.
 */
export class ShareService {
  readonly #deps: ShareServiceDeps;

  constructor(deps: ShareServiceDeps) {
    this.#deps = deps;
  }

  /** Null if it is none of these questions. What it says is durable. */
  answer(question: ShardNote): Promise<Json> | null {
    const work = this.#work(question);
    return work === null ? null : this.#run(work, question);
  }

  release(note: ShardNote): void {
    this.#deps.find(nameOf(note))?.releaseAll(note.members as readonly string[]);
  }

  async #run(work: Work<Json>, { op }: ShardNote): Promise<Json> {
    const { shard } = this.#deps;
    const answer = await shard.turnTime.run(work, { protocol: 'Kafka', request: op, user: '' });
    if (op !== 'share.offsets') await shard.durable();
    return answer;
  }

  #work(question: ShardNote): Work<Json> | null {
    switch (question.op) {
      case 'share.begin':
        return this.#begin(question);
      case 'share.move':
        return this.#move(question);
      case 'share.forget':
        return this.#forget(question);
      case 'share.offsets':
        return this.#offsets(question);
      case 'share.dead-letter-topic':
        return this.#makeDeadLetterTopic(question);
      default:
        return null;
    }
  }

  /** For each stream whether the group reads all partitions here. */
  *#begin(question: ShardNote): Work<Json> {
    const { partitions, find } = this.#deps;
    const group = find(nameOf(question));
    if (group === undefined) return streamsOf(question).map(() => false);
    return yield* mappedBy(streamsOf(question), (id) => partitions.begin(group, id));
  }

  *#move(question: ShardNote): Work<Json> {
    const { own, find } = this.#deps;
    const group = find(nameOf(question));
    if (group === undefined) return { moved: [] };
    try {
      const isWanted = question.isWanted === true;
      const moved = yield* own.move(group, targetsOf(question), isWanted, () => undefined);
      return { moved: movedRows(moved) };
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
      return { refused: error.kind, text: error.message };
    }
  }

  *#forget(question: ShardNote): Work<Json> {
    const { own, find } = this.#deps;
    const group = find(nameOf(question));
    if (group !== undefined) yield* mapped(streamsOf(question), (id) => own.forget(group, id));
    return true;
  }

  /** For each group the offsets of its partitions here. */
  *#offsets(question: ShardNote): Work<Json> {
    const { own, find } = this.#deps;
    return yield* mappedBy(question.groups as readonly ShardNote[], function* (asked): Work<Json> {
      const group = find(nameOf(asked));
      const streams = asked.streams as readonly string[] | null;
      return group === undefined ? [] : offsetRows(yield* own.offsets(group, streams));
    });
  }

  *#makeDeadLetterTopic(question: ShardNote): Work<Json> {
    const { partitions, find, everywhere } = this.#deps;
    const group = find(nameOf(question));
    if (group === undefined) return false;
    partitions.makeDeadLetterStream(group);
    yield everywhere();
    return true;
  }
}
