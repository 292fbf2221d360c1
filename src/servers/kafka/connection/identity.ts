import type { Identity as User } from '../../../broker/access/access.ts';
import type { Authorizer } from '../../../broker/access/authorizer.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { Peer } from '../../listener/peer.ts';

/** The principal of unauthenticated clients in access control lists and quotas, as in Kafka. */
export const ANONYMOUS = 'ANONYMOUS';

/** The authenticated user of a connection, its virtual host, and its permissions there. */
export interface Identity {
  readonly user: User;
  /** The user's name, or ANONYMOUS. */
  readonly name: string;
  /** The KafkaPrincipal: 'User:ada'. */
  readonly principal: string;
  readonly vhost: string;
  /** How it was authenticated: a SASL mechanism, 'TLS' for a client certificate, or 'ANONYMOUS'. */
  readonly mechanism: string;
  readonly authorizer: Authorizer;
}

/** A user name as Kafka's clients send it: `vhost:user`, or `user` alone. */
export interface QualifiedName {
  readonly vhost: string;
  readonly user: string;
}

/** A user whose name has a colon in it wins over `vhost:user`. */
export function splitName(broker: Broker, name: string, defaultVhost: string): QualifiedName {
  const colon = name.lastIndexOf(':');
  if (colon < 0 || broker.access.hasUser(name)) return { vhost: defaultVhost, user: name };
  return { vhost: name.slice(0, colon), user: name.slice(colon + 1) };
}

/** @throws BrokerError not-allowed if the user may not open the virtual host */
export function identify(broker: Broker, user: User, vhost: string, peer: Peer, mechanism: string): Identity {
  broker.access.openVhost(user, vhost);
  return identityOf(broker, user, vhost, peer.address, mechanism);
}

/** The same for a client that has opened its virtual host before. */
export function identityOf(
  broker: Broker,
  user: User,
  vhost: string,
  address: string,
  mechanism: string,
): Identity {
  const isAnonymous = mechanism === ANONYMOUS;
  const name = isAnonymous ? ANONYMOUS : user.name;
  const authorizer = broker.access.authorizer(user, vhost, address, isAnonymous ? name : null);
  return { user, name, principal: `User:${name}`, vhost, mechanism, authorizer };
}
