import { systemClock } from '../base/clock.ts';
import { systemScheduler } from '../base/scheduler.ts';
import { waitingForDescriptors } from '../log/files/descriptor-shortage.ts';
import type { FileSystem } from '../log/files/filesystem.ts';
import { nodeFileSystem } from '../log/files/node-filesystem.ts';
import type { StoreOptions } from '../log/store.ts';
import type { BrokerLog, BrokerOptions } from './broker-options.ts';
import type { Budget } from './budget/budget.ts';

const MIB = 1024 * 1024;

/** The real disk. While a file waits for a descriptor, no connection gets one. */
export function realFileSystem({ descriptors }: Budget, log: BrokerLog): FileSystem {
  return waitingForDescriptors(nodeFileSystem, systemScheduler, (path) => {
    descriptors.isShort = path !== null;
    const { limit, connections } = descriptors;
    if (path === null) log.warn({ connections }, 'files can be opened again');
    else {
      log.error(
        { path, descriptors: limit, connections },
        'a file cannot be opened, and is waited for: the process has no descriptor left; raise ulimit -n',
      );
    }
  });
}

/** What the store is told, with what is usual where nothing was said. */
export function storageOf(options: BrokerOptions, budget: Budget, fileSystem: FileSystem): StoreOptions {
  return {
    directory: options.dataDirectory,
    fileSystem,
    clock: options.clock ?? systemClock,
    scheduler: options.scheduler ?? systemScheduler,
    durability: options.durability ?? { mode: 'sync' },
    memoryBytes: options.memoryLimitBytes ?? 64 * MIB,
    journalFileBytes: options.journalFileBytes ?? 32 * MIB,
    journalBytes: options.journalLimitBytes ?? 128 * MIB,
    segmentBytes: options.segmentBytes ?? 32 * MIB,
    diskFreeBytes: options.diskFreeLimitBytes ?? 64 * MIB,
    chunkBytes: options.chunkBytes ?? MIB,
    reclaimMs: options.reclaimMs ?? 2000,
    streamUpkeep: options.streamUpkeep ?? {},
    openSegmentsMax: budget.descriptors.segmentsMax,
    ...(options.journal !== undefined && { journal: options.journal }),
  };
}
