import type { Broker } from '../../broker/broker.ts';
import { hasLinearMatching } from '../../broker/policies/pattern.ts';
import { ConfigurationError } from '../config/configuration.ts';
import type { Configuration } from '../config/settings.ts';
import { openBroker, startAmqp, startAmqps, startKafka, startKafkas } from './components.ts';
import { startControl } from './control.ts';
import { type ListenerComponent, runUntilStopped } from './lifecycle.ts';
import { createLog } from './log.ts';
import { readTlsFiles, tlsFiles } from './tls-files.ts';

/** Runs the broker until a signal ends it. Rejects if the start fails; ends the process with status 0 otherwise. */
export async function start(configuration: Configuration): Promise<void> {
  const log = createLog(configuration.logLevel);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      // The state in memory is not to be trusted any more: the next start recovers from the journal.
      log.fatal({ err: error }, 'internal error');
      process.exit(1);
    });
  }

  if (!hasLinearMatching()) {
    log.warn(
      'no --enable-experimental-regexp-engine: expressions that could take for ever to match are refused',
    );
  }

  const listeners: ((broker: Broker) => Promise<ListenerComponent>)[] = [];
  if (configuration.amqpPort !== 'off') {
    const port = configuration.amqpPort;
    listeners.push((broker) => startAmqp(broker, port, configuration, log));
  }
  if (configuration.amqpsPort !== 'off') {
    const port = configuration.amqpsPort;
    // What is wrong with the files is said before anything is opened.
    readTlsFiles(tlsFiles(configuration));
    listeners.push((broker) => startAmqps(broker, port, configuration, log));
  }
  if (configuration.kafkaPort !== 'off') {
    const port = configuration.kafkaPort;
    listeners.push((broker) => startKafka(broker, port, configuration, log));
  }
  if (configuration.kafkasPort !== 'off') {
    const port = configuration.kafkasPort;
    readTlsFiles(tlsFiles(configuration));
    listeners.push((broker) => startKafkas(broker, port, configuration, log));
  }
  if (listeners.length === 0) {
    throw new ConfigurationError(['every listener is off: nothing could reach this broker']);
  }

  const components = {
    openBroker: () => openBroker(configuration, log),
    services: [(broker: Broker) => startControl(broker, configuration, log)],
    listeners,
  };
  await runUntilStopped(components, log, {
    pid: process.pid,
    print: (line) => process.stdout.write(`${line}\n`),
    onSignal: (signal, action) => process.on(signal, action),
    exit: (status) => process.exit(status),
  });
  process.exit(0);
}
