import type { Logger } from 'pino';
import { formatAddress, type ListenerPart, type Part } from './lifecycle.ts';
import type { Configuration } from './settings.ts';

/**
 * The one place where the command meets the broker and the servers. Their modules are loaded by name at run time
 * until they exist; then these declarations give way to theirs.
 */
export type RunningBroker = Part;

interface BrokerModule {
  readonly Broker: { open(options: object): Promise<RunningBroker> };
}

interface AmqpServerModule {
  readonly AmqpServer: {
    listen(broker: RunningBroker, options: object): Promise<Part & { readonly port: number }>;
  };
}

const BROKER = '../broker/broker.ts';
const AMQP_SERVER = '../servers/amqp091/server.ts';

async function load<T>(module: string): Promise<T> {
  try {
    return (await import(module)) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`this version of Sluice is not complete: ${(error as Error).message}`);
  }
}

export async function openBroker(configuration: Configuration, log: Logger): Promise<RunningBroker> {
  const { Broker } = await load<BrokerModule>(BROKER);
  return Broker.open({
    dataDirectory: configuration.dataDirectory,
    durability: configuration.durability,
    memoryLimitBytes: configuration.memoryLimitBytes,
    journalFileBytes: configuration.journalFileBytes,
    journalLimitBytes: configuration.journalLimitBytes,
    diskFreeLimitBytes: configuration.diskFreeLimitBytes,
    log,
  });
}

export async function startAmqp(
  broker: RunningBroker,
  port: number,
  configuration: Configuration,
  log: Logger,
): Promise<ListenerPart> {
  const { AmqpServer } = await load<AmqpServerModule>(AMQP_SERVER);
  try {
    const server = await AmqpServer.listen(broker, {
      host: configuration.host,
      port,
      frameMaxBytes: configuration.frameMaxBytes,
      channelMax: configuration.channelMax,
      heartbeatSeconds: configuration.heartbeatSeconds,
      maxMessageBytes: configuration.maxMessageBytes,
      maxConnections: configuration.maxConnections,
      handshakeTimeoutMs: configuration.handshakeTimeoutSeconds * 1000,
      log,
    });
    return {
      protocol: 'amqp',
      address: formatAddress(configuration.host, server.port),
      close: () => server.close(),
    };
  } catch (error) {
    throw listenError(error, 'AMQP', '--amqp-port', formatAddress(configuration.host, port));
  }
}

/** What stands in the way of listening, in words, with the flag that changes it. */
export function listenError(error: unknown, protocol: string, flag: string, address: string): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `the port is in use by another process; choose another with ${flag}`,
    EACCES: `no permission for this port; choose one above 1023 with ${flag}`,
    EADDRNOTAVAIL: 'this machine has no such address; see --host',
    ENOTFOUND: 'the host name is unknown; see --host',
    EAFNOSUPPORT: 'this machine does not support the kind of address; see --host',
  };
  const reason = code === undefined ? undefined : reasons[code];
  if (reason === undefined) return error as Error;
  return new Error(`cannot listen for ${protocol} on ${address}: ${reason}`, { cause: error });
}
