import type { Identity as User } from '../../../broker/access/access.ts';
import type { Authorizer } from '../../../broker/access/authorizer.ts';
import type { Broker } from '../../../broker/broker.ts';

/** What access control lists and quotas call those who do not log in. */
export const ANONYMOUS = 'ANONYMOUS';

/** Who is at the other end of a connection, in which virtual host, and what that one may do there. */
export interface Identity {
  readonly user: User;
  /** That of the user, or ANONYMOUS. */
  readonly name: string;
  /** As access control lists call it: 'User:ada'. */
  readonly principal: string;
  readonly vhost: string;
  /** By which it has shown who it is: 'SCRAM-SHA-256', 'TLS' for a certificate; 'ANONYMOUS'. */
  readonly mechanism: string;
  readonly authorizer: Authorizer;
}

/** Where a client comes from. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  readonly localHost: string;
  readonly localPort: number;
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  /** Whom the verified certificate of the client names; null if there is none. */
  readonly certificateName: string | null;
}

export interface NameParts {
  readonly vhost: string;
  readonly user: string;
}

/** `vhost:user`. A user whose name is the whole of it comes first. */
export function splitName(broker: Broker, name: string, defaultVhost: string): NameParts {
  const colon = name.lastIndexOf(':');
  if (colon < 0 || broker.access.hasUser(name)) return { vhost: defaultVhost, user: name };
  return { vhost: name.slice(0, colon), user: name.slice(colon + 1) };
}

/** @throws BrokerError not-allowed if the user may not open the virtual host */
export function identify(broker: Broker, user: User, vhost: string, peer: Peer, mechanism: string): Identity {
  broker.access.openVhost(user, vhost);
  const isAnonymous = mechanism === ANONYMOUS;
  const name = isAnonymous ? ANONYMOUS : user.name;
  const authorizer = broker.access.authorizer(user, vhost, peer.host, isAnonymous ? [name] : []);
  return { user, name, principal: `User:${name}`, vhost, mechanism, authorizer };
}
