import { inspect } from 'node:util';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import { HistoryError } from '../expected-queue.ts';
import { compareQueue } from '../queue-comparison.ts';
import { bindingText } from './expected-topology.ts';
import type { ShardsRun } from './shards-run.ts';
import type { SimulatedShards } from './simulated-shards.ts';

/** After a start that found the journals up to these blocks: what is there against what has to be. */
export async function compareShards(
  run: ShardsRun,
  lasts: readonly number[],
  patienceMs: number,
): Promise<void> {
  const { history, shards } = run;
  for (const [shard, confirmed] of history.confirmed.entries()) {
    if (lasts[shard] >= confirmed) continue;
    throw new HistoryError(
      `block ${confirmed} of shard ${shard} was confirmed, but its journal ends at block ${lasts[shard]}`,
    );
  }
  compareTopology(run, lasts[0]);
  assertAlike(shards);
  for (let shard = 0; shard < shards.count; shard++) {
    const local = [...localOf(shards.vhost(shard).queues())];
    assertNoOtherLogs(shards, shard, new Set(local.map(({ id }) => id)));
    for (const queue of local) {
      await compareQueue(queue, history.expectedOf(queue), lasts[shard], patienceMs, run);
    }
  }
  history.confirmed.splice(0, shards.count, ...lasts);
}

/** Of shard 0. */
function compareTopology({ history, shards }: ShardsRun, last: number): void {
  const vhost = shards.vhost(0);
  const { queues, bindings } = history.topology.restarted(last);
  const wanted = queues.map(({ id, name, home }) => `${name}, id ${id}, in shard ${home}`).sort();
  const found = [...vhost.queues()]
    .map(({ id, name, shard }) => `${name}, id ${id}, in shard ${shard}`)
    .sort();
  if (wanted.join() !== found.join()) throw new HistoryError(`the queues are [${found}], not [${wanted}]`);
  const bound = vhost
    .listBindings()
    .filter(({ source }) => source !== '')
    .map(bindingText)
    .sort();
  if (bound.join() !== bindings.join())
    throw new HistoryError(`the bindings are [${bound}], not [${bindings}]`);
  const ids = new Set(queues.map(({ id }) => id));
  for (const [id, expected] of history.queues) {
    if (!ids.has(id)) history.queues.delete(id);
    else expected.deletedBlock = Number.POSITIVE_INFINITY;
  }
}

/** All shards know the same, when all that shard 0 has changed is everywhere. */
export function assertAlike(shards: SimulatedShards): void {
  const first = metadataOf(shards, 0);
  for (let shard = 1; shard < shards.count; shard++) {
    const own = metadataOf(shards, shard);
    if (own !== first) throw new HistoryError(`shard ${shard} knows ${own}, and shard 0 knows ${first}`);
  }
}

function metadataOf(shards: SimulatedShards, shard: number): string {
  const vhost = shards.vhost(shard);
  const queues = [...vhost.queues()].map(
    ({ id, name, shard: home, durable }) => `queue ${name} ${id} ${home} ${durable}`,
  );
  const others = [...vhost.listBindings(), ...vhost.listExchanges()];
  const texts = others.map((each) => inspect(each, { sorted: true, breakLength: Number.POSITIVE_INFINITY }));
  return [...queues, ...texts].sort().join('\n');
}

/** What the metadata does not have is nowhere. */
function assertNoOtherLogs(shards: SimulatedShards, shard: number, ids: ReadonlySet<number>): void {
  for (const [id] of shards.brokers[shard].shard.store.logs) {
    if (!ids.has(id)) throw new HistoryError(`shard ${shard} has a log ${id}, and no queue for it`);
  }
}
