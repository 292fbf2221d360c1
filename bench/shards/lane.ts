/** A queue in one shard, and a connection in the same or another one that publishes to it, or consumes from it, or both. */
import { ControlClient } from '../../src/cli/admin/client.ts';
import { parseAddress } from '../../src/cli/bench/amqp/address.ts';
import { ClientConnection } from '../../src/cli/bench/amqp/client-connection.ts';
import { planShares } from '../../src/cli/bench/amqp/plan.ts';
import { type BenchSettings, defaultSettings } from '../../src/cli/bench/amqp/settings.ts';
import { declareTopology } from '../../src/cli/bench/amqp/topology.ts';
import { Worker } from '../../src/cli/bench/amqp/worker.ts';

/** The system chooses the shard of a connection: so many are tried. */
const TRIES_MAX = 200;

export interface LaneSpec {
  readonly url: string;
  readonly dataDirectory: string;
  readonly queue: string;
  readonly queueShard: number;
  readonly connectionShard: number;
  readonly settings: Partial<BenchSettings>;
}

/** Opened, and not started. */
export async function openLane(spec: LaneSpec): Promise<Worker> {
  const settings: BenchSettings = {
    ...defaultSettings,
    url: spec.url,
    connections: 1,
    queuePrefix: spec.queue,
    queueArguments: { 'x-shard': spec.queueShard },
    durable: true,
    ...spec.settings,
  };
  const fail = (error: Error): void => {
    throw error;
  };
  const control = await ClientConnection.open(parseAddress(spec.url), fail);
  await declareTopology(control, settings);
  await control.close();
  const client = new ControlClient(spec.dataDirectory);
  for (let tried = 0; tried < TRIES_MAX; tried++) {
    const before = new Set((await client.list(['connections'])).map(({ name }) => name));
    const worker = new Worker(planShares(settings, 0)[0], fail);
    await worker.connect();
    const opened = (await client.list(['connections'])).find(({ name }) => !before.has(name));
    // With one shard it is not told.
    if ((opened?.shard ?? 0) === spec.connectionShard) return worker;
    await worker.close();
  }
  throw new Error(`none of ${TRIES_MAX} connections came to shard ${spec.connectionShard}`);
}
