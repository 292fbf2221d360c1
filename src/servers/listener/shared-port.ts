import type { Server } from 'node:net';
import type { DescriptorBudget } from '../../broker/budget/descriptors.ts';
import {
  createListenerServer,
  listenOn,
  type PortOptions,
  ReservedPort,
  type SharedPort,
} from './reserved-port.ts';

/** How several threads have one port: each listens itself (`SO_REUSEPORT`), or all on one descriptor. */
export type PortSharing = 'reuse' | 'descriptor';

/** Where the system, or its kernel, does not know `SO_REUSEPORT`, or gives it another meaning. */
const NO_REUSE: ReadonlySet<string | undefined> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOPROTOOPT',
  'EINVAL',
  'ENOSYS',
]);

export class PortSharingError extends Error {
  constructor(cause: unknown) {
    super(
      'this system lets several threads have one port neither by SO_REUSEPORT nor by one descriptor: ' +
        'start with one shard',
      { cause },
    );
    this.name = 'PortSharingError';
  }
}

/**
 * Takes a port for this thread, and says how others take it. `sharing`: null for what the system can do best.
 * Rejects with the error of the system, or with a `PortSharingError`.
 */
export async function openSharedPort(
  options: PortOptions,
  descriptors: DescriptorBudget,
  sharing: PortSharing | null = null,
): Promise<{ readonly reserved: ReservedPort; readonly forOthers: SharedPort }> {
  if (sharing !== 'descriptor') {
    try {
      const forOthers = { ...options, port: await freePort(options), reusePort: true } as const;
      return { reserved: await ReservedPort.open(forOthers, descriptors), forOthers };
    } catch (error) {
      if (sharing === 'reuse' || !NO_REUSE.has((error as NodeJS.ErrnoException).code)) throw error;
    }
  }
  const reserved = await ReservedPort.open(options, descriptors, true);
  const fd = reserved.descriptor;
  if (fd !== null) return { reserved, forOthers: { fd } };
  await reserved.close();
  throw new PortSharingError(null);
}

/**
 * The port, if nobody has it: with `SO_REUSEPORT` alone we would share that of another broker of the same user, without a
 * word. Whoever takes it in the moment after this fails, or we do.
 */
async function freePort(options: PortOptions): Promise<number> {
  const server: Server = createListenerServer();
  await listenOn(server, options);
  const address = server.address();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  await promise;
  return typeof address === 'object' && address !== null ? address.port : options.port;
}
