import type { Identity as User } from '../../broker/access/access.ts';
import type { AclOperation, AclResource } from '../../broker/access/acl.ts';
import type { Broker } from '../../broker/broker.ts';
import { isLoopbackAddress } from '../loopback.ts';

/** Who is at the other end of a connection, and in which virtual host. */
export interface Identity {
  readonly user: User;
  /** As access control lists call it: 'User:ada'. */
  readonly principal: string;
  readonly vhost: string;
  /** With which it was authenticated: 'SCRAM-SHA-256'; 'NONE' for nobody in particular. */
  readonly mechanism: string;
  /** Answers are remembered: cheap to ask again. */
  may(operation: AclOperation, resource: AclResource, name: string): boolean;
}

const ANONYMOUS_USER = 'guest';
const ANONYMOUS_VHOST = '/';

/**
 * Who a client is before it says so: from this machine, what `guest` may be there without a password, which everybody
 * knows; otherwise nobody: null.
 */
export function anonymous(broker: Broker, address: string): Identity | null {
  if (!isLoopbackAddress(address)) return null;
  const user = broker.access.authenticateExternal(ANONYMOUS_USER, true);
  if (user === null || broker.vhost(ANONYMOUS_VHOST) === undefined || !user.mayOpen(ANONYMOUS_VHOST))
    return null;
  const authorizer = broker.access.authorizer(user, ANONYMOUS_VHOST, address, ['ANONYMOUS']);
  return {
    user,
    principal: 'User:ANONYMOUS',
    vhost: ANONYMOUS_VHOST,
    mechanism: 'NONE',
    may: (operation, resource, name) => authorizer.may(operation, resource, name),
  };
}
