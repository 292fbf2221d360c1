import { ACL_OPERATIONS, type AclResource } from '../../../broker/access/acl.ts';
import { NOT_ASKED } from '../../../wire/kafka/declaration.ts';
import { OPERATION_CODES } from '../acl-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';

/** The operations that the client may do on the resource, as bits by AclOperation code (KIP-430). */
export function authorizedOperations(
  isAsked: boolean,
  resource: AclResource,
  name: string,
  context: RequestContext,
): number {
  if (!isAsked) return NOT_ASKED;
  let bits = 0;
  for (const operation of ACL_OPERATIONS[resource]) {
    if (context.isAllowed(operation, resource, name)) bits |= 1 << OPERATION_CODES[operation];
  }
  return bits;
}
