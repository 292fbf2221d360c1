import type { Access } from '../../access/access.ts';
import type { ObjectQuotas } from '../../budget/object-quotas.ts';
import type { ShardSeat } from '../../doors/shard-link.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Streams } from '../../streams/streams.ts';
import type { GroupConfigs } from '../group-configs.ts';
import type { Groups } from '../groups.ts';

export interface ShareGroupsDeps {
  readonly shard: Shard;
  readonly streams: Streams;
  readonly configs: GroupConfigs;
  /** Asked for when records are given up: it is made later than the groups. */
  access(): Access;
  /** Those of other kinds: a name is one group's. */
  readonly groups: Groups;
  /** Without them nothing is limited. */
  readonly quotas?: ObjectQuotas;
  /** The place among several shards; null with one. */
  readonly seat: ShardSeat | null;
  /** Journals a change of metadata, of which all other shards are told. */
  recordMetadata(operation: Uint8Array): void;
  /** Resolves when all changes of metadata so far are durable, and in effect in all shards. */
  everywhere(): Promise<void>;
  onProblem(fields: object, message: string): void;
}
