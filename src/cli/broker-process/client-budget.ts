import { totalmem } from 'node:os';
import type { Logger } from 'pino';
import { Budget } from '../../broker/budget/budget.ts';
import { type ClientMemoryOptions, UNLIMITED_MEMORY } from '../../broker/budget/client-memory.ts';
import { ALONE, type CountedTogether } from '../../broker/budget/counted-together.ts';
import type { DescriptorUse } from '../../broker/budget/descriptors.ts';
import type { Configuration } from '../config/settings.ts';
import { descriptorUse } from './descriptor-use.ts';

/** So many connections are few for a server: whoever operates it should know. */
const FEW_CONNECTIONS = 1024;

/**
 * What clients may make this process hold and do, by the settings and by what the system lets it have. `descriptors`: as they
 * were before there were other threads.
 */
export function clientBudget(
  configuration: Configuration,
  together: CountedTogether = ALONE,
  descriptors: DescriptorUse = descriptorUse(),
): Budget {
  return new Budget({
    together,
    descriptors,
    memory: clientMemory(configuration),
    connectionRatePerAddress: configuration.connectionRatePerAddress || Number.POSITIVE_INFINITY,
  });
}

function clientMemory(configuration: Configuration): ClientMemoryOptions {
  const { clientMemoryBytes, clientMemoryPerUserBytes } = configuration;
  const bytesMax = clientMemoryBytes ?? memoryHighWaterBytes(configuration) / 3;
  return { ...UNLIMITED_MEMORY, bytesMax, userBytesMax: clientMemoryPerUserBytes ?? bytesMax / 4 };
}

/** In a container that may use less than the machine has, the container's limit counts. */
export function memoryHighWaterBytes({ memoryHighWaterMark: mark }: Configuration): number {
  if (mark === 'off') return Number.POSITIVE_INFINITY;
  if ('bytes' in mark) return mark.bytes;
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
  return Math.floor(machine * mark.fraction);
}

/** Says how many connections there may be, where that is less than `max-connections`. */
export function logDescriptorLimit({ descriptors }: Budget, maxConnections: number, log: Logger): void {
  const { limit, connectionsMax } = descriptors;
  if (connectionsMax >= maxConnections) return;
  log[connectionsMax < FEW_CONNECTIONS ? 'warn' : 'info'](
    { maxConnections, connectionsMax, descriptors: limit },
    'the process may not have as many descriptors as max-connections needs: beyond connectionsMax, over all ' +
      'listeners, connections are closed at once; raise ulimit -n (LimitNOFILE of systemd)',
  );
}
