import { clientText } from '../../../base/client-text.ts';
import type { Identity } from '../../../broker/access/access.ts';
import type { AcceptedConnection } from '../../listener/accepted-connection.ts';
import { isTls } from '../../listener/tls.ts';
import { PROTOCOL_NAME, type ServerContext } from './handshake-result.ts';
import type { Credentials } from './sasl.ts';

/** Who the client is; null if it is refused. A password has to wait for its turn to be checked. */
export async function logIn(
  credentials: Credentials | null,
  { peer, socket }: AcceptedConnection,
  { broker }: ServerContext,
): Promise<Identity | null> {
  if (credentials === null) return null;
  const { access } = broker;
  const { user, password } = credentials;
  const { isLoopback, address } = peer;
  if (password === null) return access.authenticateExternal(user, isLoopback);
  return await access.authenticate(user, password, isLoopback, { address, isGone: () => socket.destroyed });
}

/** The outcome of a login: an event, and for a refused one a line in the log. */
export function tellLogin(
  isLetIn: boolean,
  user: string,
  mechanism: string,
  { peer, socket }: AcceptedConnection,
  { broker, settings }: ServerContext,
): void {
  const { address, port, localAddress, localPort } = peer;
  broker.events.emit(`user.authentication.${isLetIn ? 'success' : 'failure'}`, {
    name: user,
    protocol: PROTOCOL_NAME,
    auth_mechanism: mechanism,
    host: localAddress,
    port: localPort,
    peer_host: address,
    peer_port: port,
    ssl: isTls(socket),
  });
  if (isLetIn) return;
  settings.log.warn(
    { user: clientText(user), peer: address, mechanism },
    peer.isLoopback
      ? 'login refused'
      : 'login refused; loopback-users says who may connect from this machine only',
  );
}
