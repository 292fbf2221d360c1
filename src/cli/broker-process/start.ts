import type { Broker } from '../../broker/broker.ts';
import type { ReservedPort } from '../../servers/listener/reserved-port.ts';
import { ConfigurationError, type EffectiveConfiguration } from '../config/configuration.ts';
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
import { runUntilStopped } from './lifecycle.ts';
import { createLog } from './log.ts';
import { unmetSettings } from './unmet-settings.ts';

/** Runs the broker until a signal ends it. Rejects if the start fails; ends the process with status 0 otherwise. */
export async function start({ values: configuration, origins }: EffectiveConfiguration): Promise<void> {
  const log = createLog(configuration.logLevel);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      // The state in memory is not to be trusted any more: the next start recovers from the journal.
      log.fatal({ err: error }, 'internal error');
      process.exit(1);
    });
  }

  const listeners = clientListeners(configuration);
  if (listeners.length === 0) {
    throw new ConfigurationError(['every listener is off: nothing could reach this broker']);
  }

  const budget = clientBudget(configuration);
  const reserved = new Map<ClientListener, ReservedPort>();
  const reserve = async (listener: ClientListener): Promise<ReservedPort> => {
    const port = await reservePort(listener, configuration, budget);
    reserved.set(listener, port);
    return port;
  };
  const components = {
    ports: listeners.map((listener) => () => reserve(listener)),
    openBroker: async (onStep: (step: string) => void) => {
      const broker = await openBroker(configuration, budget, log, onStep);
      logDescriptorLimit(budget, configuration.maxConnections, log);
      return broker;
    },
    services: [
      (broker: Broker) => {
        for (const { listener, message } of exposuresOf(configuration, broker))
          log.warn({ listener }, message);
        for (const { setting, message } of unmetSettings(configuration, origins, broker))
          log.warn({ setting }, message);
        return startControl(broker, configuration, log);
      },
    ],
    listeners: listeners.map(
      (listener) => (broker: Broker) =>
        startListener(listener, reserved.get(listener) as ReservedPort, broker, configuration, log),
    ),
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

/** `process.exit` waits for the threads of the pool, one of which may hang. */
function endBySignal(signal: 'SIGTERM' | 'SIGINT'): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a container does not end by it.
  setTimeout(() => process.exit(1), 500);
}
