import type { Logger } from 'pino';
import { ControlSocket } from '../../admin/control-socket.ts';
import type { Broker } from '../../broker/broker.ts';
import type { Configuration } from '../config/settings.ts';
import { describe } from '../failure.ts';
import { packageVersion } from '../package-version.ts';
import type { Component } from './lifecycle.ts';

/** As RabbitMQ names its command line in events. */
const ACTOR = 'sluice-cli';

/**
 * The control socket, for the other subcommands. A broker that cannot open it serves its clients all the same: some file
 * systems have no sockets.
 */
export async function startControl(
  broker: Broker,
  configuration: Configuration,
  log: Logger,
): Promise<Component> {
  const { dataDirectory } = configuration;
  const startedAtMs = broker.shard.clock.now();
  const load = async () => {
    const { AdminService } = await import('../../admin/service.ts');
    return new AdminService({ broker, version: packageVersion(), startedAtMs, actor: ACTOR, log }).handle;
  };
  try {
    return await ControlSocket.listen(dataDirectory, load, broker.budget.descriptors.controlConnectionsMax);
  } catch (error) {
    const reason = `this broker cannot be administered from the command line: ${describe(error)}`;
    log.warn({ directory: dataDirectory }, `no control socket: ${reason}`);
    return { close: async () => undefined };
  }
}
