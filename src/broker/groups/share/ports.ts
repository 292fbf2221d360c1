import type { Access } from '../../access/access.ts';
import type { ObjectQuotas } from '../../budget/object-quotas.ts';
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
  onProblem(fields: object, message: string): void;
}
