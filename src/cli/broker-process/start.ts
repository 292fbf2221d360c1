import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import type { Broker } from '../../broker/broker.ts';
import { nodeFileSystem } from '../../log/files/node-filesystem.ts';
import { usedShards } from '../../log/files/shard-directories.ts';
import { ReservedPort } from '../../servers/listener/reserved-port.ts';
import type { PortSharing } from '../../servers/listener/shared-port.ts';
import { ConfigurationError, type EffectiveConfiguration } from '../config/configuration.ts';
import { shardsOf } from '../config/setting-types.ts';
import type { Configuration } from '../config/settings.ts';
import { clientBudget, logDescriptorLimit } from './client-budget.ts';
import {
  type ClientListener,
  clientListeners,
  openBroker,
  reservePort,
  startListener,
} from './components.ts';
import { startControl } from './control.ts';
import { exposuresOf } from './exposure.ts';
import { endOnInternalErrors } from './internal-errors.ts';
import { type Component, type Components, runUntilStopped } from './lifecycle.ts';
import { createLog, standardError } from './log.ts';
import { portProblems } from './port-problems.ts';
import type { SeveralShards, SeveralShardsOptions } from './shards/several-shards.ts';
import { unmetSettings } from './unmet-settings.ts';

/** For tests of how the shards of a process are run: see `docs/design/shard-process.md`. */
export interface ShardsOptions {
  /** What the threads of other shards run, and how they have their ports; what is usual unless it is said. */
  readonly thread?: URL;
  readonly sharing?: PortSharing;
}

/** The broker of shard 0, which is closed after those of other shards. */
interface Brokers extends Component {
  readonly broker: Broker;
}

/** Runs the broker until a signal ends it. Rejects if the start fails; ends the process with status 0 otherwise. */
export async function start(
  { values: configuration, origins }: EffectiveConfiguration,
  shards: ShardsOptions = {},
): Promise<void> {
  const destination = standardError();
  const count = shardsOf(configuration.shards, availableParallelism());
  const log = createLog(configuration.logLevel, destination, count === 1 ? null : 0);
  endOnInternalErrors(log);

  const listeners = clientListeners(configuration);
  if (listeners.length === 0) {
    throw new ConfigurationError(['every listener is off: nothing could reach this broker']);
  }
  const problems = count === 1 ? [] : portProblems(listeners, configuration, count);
  if (problems.length > 0) throw new ConfigurationError(problems);

  const several =
    count === 1 ? null : await severalShards({ ...shards, count, configuration, log, destination });
  const { together, descriptors, seat, configuration: own = configuration } = several?.workers ?? {};
  const budget = clientBudget(configuration, together, descriptors);
  const reserved = new Map<ClientListener, ReservedPort>();
  const reserve = async (listener: ClientListener): Promise<ReservedPort> => {
    const port = await reservePort(listener, configuration, (on) =>
      several === null
        ? ReservedPort.open(on, budget.descriptors)
        : several.take(listener, on, budget.descriptors),
    );
    reserved.set(listener, port);
    return port;
  };
  const components: Components<Brokers> = {
    ports: [
      ...listeners.map((listener) => () => reserve(listener)),
      ...(several === null ? [] : [() => several.reserve()]),
    ],
    openBroker: async (onStep) => {
      const logOf = (shard: number): Logger => createLog(configuration.logLevel, destination, shard);
      await moveFromOtherShards(configuration, count, logOf, onStep);
      const broker = await openBroker(own, budget, log, onStep, seat === undefined ? {} : { seat });
      logDescriptorLimit(budget, configuration.maxConnections, log);
      const all = several === null ? broker : await several.openBeside(broker, onStep);
      return { broker, close: () => all.close() };
    },
    services: [
      ({ broker }) => {
        for (const { listener, message } of exposuresOf(configuration, broker))
          log.warn({ listener }, message);
        for (const { setting, message } of unmetSettings(configuration, origins, broker))
          log.warn({ setting }, message);
        return startControl(broker, configuration, log);
      },
    ],
    listeners: listeners.map((listener) => async ({ broker }) => {
      const port = reserved.get(listener) as ReservedPort;
      const own = await startListener(listener, port, broker, configuration, log, {
        ports: several?.portsOf(listener) ?? null,
      });
      return several === null ? own : await several.listenBeside(own, listener);
    }),
  };
  await runUntilStopped(components, log, {
    pid: process.pid,
    print: (line) => process.stdout.write(`${line}\n`),
    onSignal: (signal, action) => process.on(signal, action),
    exit: (status) => process.exit(status),
    endBySignal,
  });
  process.exit(0);
}

/** What is for several shards is loaded where there are several. */
async function severalShards(options: SeveralShardsOptions): Promise<SeveralShards> {
  const { SeveralShards } = await import('./shards/several-shards.ts');
  return new SeveralShards(options);
}

/** If the data directory has more shards than there are to be. What is for that is loaded where it is needed. */
async function moveFromOtherShards(
  configuration: Configuration,
  count: number,
  logOf: (shard: number) => Logger,
  onStep: (step: string) => void,
): Promise<void> {
  const used = await usedShards(nodeFileSystem, configuration.dataDirectory);
  if (!used.some(({ shard }) => shard >= count)) return;
  const { moveFromOtherShards: move } = await import('./shards/fewer-shards.ts');
  await move(configuration, count, logOf, onStep);
}

/** `process.exit` waits for the threads of the pool, one of which may hang. */
function endBySignal(signal: 'SIGTERM' | 'SIGINT'): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a container does not end by it.
  setTimeout(() => process.exit(1), 500);
}
