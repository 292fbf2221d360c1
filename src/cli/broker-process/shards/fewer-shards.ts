import type { Logger } from 'pino';
import { systemClock } from '../../../base/clock.ts';
import { systemScheduler } from '../../../base/scheduler.ts';
import type { Broker } from '../../../broker/broker.ts';
import { Budget } from '../../../broker/budget/budget.ts';
import { createDoors, Seat } from '../../../broker/doors/seat.ts';
import type { HeldShards } from '../../../broker/shards/move/held-shard.ts';
import { moveToFewerShards } from '../../../broker/shards/move/move-shards.ts';
import { nodeFileSystem } from '../../../log/files/node-filesystem.ts';
import type { Configuration } from '../../config/settings.ts';
import { openBroker } from '../components.ts';
import { descriptorUse } from '../descriptor-use.ts';
import { shardConfiguration } from './shard-configuration.ts';

/**
 * Before a start with `count` shards on a data directory that has more: moves what is in the others. All of them are opened in this
 * thread for that, and nobody is served. `logOf`: what the broker of a shard writes to.
 */
export async function moveFromOtherShards(
  configuration: Configuration,
  count: number,
  logOf: (shard: number) => Logger,
  onStep: (step: string) => void,
): Promise<void> {
  const { dataDirectory } = configuration;
  await moveToFewerShards({
    fileSystem: nodeFileSystem,
    dataDirectory,
    count,
    log: logOf(0),
    onStep,
    open: (all) => openHeld(configuration, all, logOf, onStep),
  });
}

async function openHeld(
  configuration: Configuration,
  count: number,
  logOf: (shard: number) => Logger,
  onStep: (step: string) => void,
): Promise<HeldShards> {
  const doors = createDoors(count);
  const seats: Seat[] = [];
  const shards: Broker[] = [];
  const closeDoors = (): void => {
    for (const seat of seats) seat.close();
  };
  const { limit, inUse } = descriptorUse();
  try {
    for (let number = 0; number < count; number++) {
      const seat = new Seat(number, doors, systemClock, systemScheduler);
      seats.push(seat);
      const own = shardConfiguration(configuration, number, count);
      // All of them have the descriptors of one thread.
      const budget = new Budget({ descriptors: { limit: Math.floor((limit - inUse) / count), inUse: 0 } });
      const step = (text: string): void => onStep(`${text} (shard ${number})`);
      shards.push(await openBroker(own, budget, logOf(number), step, { seat, isHeld: true }));
    }
  } catch (error) {
    for (const shard of shards.reverse()) await shard.abandon();
    closeDoors();
    throw error;
  }
  return { shards, closeDoors };
}
