import type { Logger } from 'pino';
import { type SignalPort, StartWatch } from './start-watch.ts';

/** What `sluice start` opens and closes: the broker, its services, its listeners. */
export interface Component {
  close(): Promise<void>;
}

export interface ListenerComponent extends Component {
  /** As in the ready line: 'amqp'. */
  readonly protocol: string;
  /** '127.0.0.1:5672', '[::1]:5672'; several with commas between them where each shard has a port of its own. */
  readonly address: string;
}

/** Opens the components: listeners are closed first, all at once, then services, then the broker. */
export interface Components<Broker extends Component> {
  /** What has to be had before the data directory is touched: ports. */
  readonly ports?: readonly (() => Promise<Component>)[];
  /** `onStep` is told what is being done, for messages: 'locking …'. */
  openBroker(onStep: (step: string) => void): Promise<Broker>;
  /** Components without a client protocol, such as the control socket. */
  readonly services?: readonly ((broker: Broker) => Promise<Component>)[];
  /** One function for each listener that is on. */
  readonly listeners: readonly ((broker: Broker) => Promise<ListenerComponent>)[];
}

/** What of the process `runUntilStopped` uses, so that tests can stand in for it. */
export interface ProcessPort extends SignalPort {
  readonly pid: number;
  print(line: string): void;
  onSignal(signal: 'SIGTERM' | 'SIGINT', action: () => void): void;
  exit(status: number): void;
}

const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Takes the ports, opens everything, prints the ready line, waits for SIGTERM or SIGINT and closes everything again:
 * listeners first, so that nothing new comes in, and all at once, as each waits a while for peers that do not answer; then
 * the broker, which flushes and takes its snapshot. A signal during the start takes effect as soon as what is being opened
 * is open, or after a few seconds; a second signal ends the process at once.
 */
export async function runUntilStopped<Broker extends Component>(
  components: Components<Broker>,
  log: Logger,
  processPort: ProcessPort,
): Promise<void> {
  const watch = new StartWatch(log, processPort);
  const stop = signalToStop(log, processPort, watch);
  const open: Component[] = [];
  const listeners: ListenerComponent[] = [];
  try {
    for (const reserve of components.ports ?? []) open.push(await reserve());
    if (stop.requested) return;
    const broker = await components.openBroker(watch.onStep).finally(() => watch.over());
    open.push(broker);
    for (const start of components.services ?? []) {
      if (stop.requested) return;
      open.push(await start(broker));
    }
    for (const listen of components.listeners) {
      if (stop.requested) return;
      listeners.push(await listen(broker));
    }
    if (stop.requested) return;
    const addresses = listeners.map((each) => ` ${each.protocol}=${each.address}`).join('');
    processPort.print(`sluice ready${addresses} pid=${processPort.pid}`);
    await stop.promise;
  } finally {
    watch.over();
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const component of open.reverse()) await component.close();
  }
}

function signalToStop(
  log: Logger,
  processPort: ProcessPort,
  watch: StartWatch,
): { readonly requested: boolean; promise: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let requested = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    processPort.onSignal(signal, () => {
      if (requested) return watch.isOver ? processPort.exit(SIGNAL_STATUS[signal]) : watch.end(signal);
      requested = true;
      watch.signalled(signal);
      log.info({ signal }, 'stopping; a second signal ends the process at once');
      resolve();
    });
  }
  return {
    promise,
    get requested() {
      return requested;
    },
  };
}

/** The host in brackets where it has colons itself. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
