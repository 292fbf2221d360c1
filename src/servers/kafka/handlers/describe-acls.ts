import type { Work } from '../../../base/turn-time.ts';
import type { Acl } from '../../../broker/access/acl.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { describeAcls } from '../../../wire/kafka/messages/acls.ts';
import { type AclCodes, codesOf, filterOf } from '../acl-codes.ts';
import type { ApiHandler } from '../handler.ts';

type Resource = ResponseInput<typeof describeAcls>['resources'][number];

export const describeAclsHandler: ApiHandler<typeof describeAcls> = {
  api: describeAcls,
  minVersion: 1,
  maxVersion: 3,
  home: 'controller',
  *handle(request, context) {
    if (!context.isAllowed('describe', 'cluster', CLUSTER_NAME)) {
      return refusal(ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.');
    }
    const filter = filterOf(request);
    if (filter === undefined) {
      return refusal(ERROR_CODES.INVALID_REQUEST, 'The AclBindingFilter must not contain UNKNOWN elements.');
    }
    const { client, broker } = context;
    const found = filter === null ? [] : yield* broker.access.acls.find(client.vhost, filter);
    return {
      throttleTimeMs: 0,
      errorCode: ERROR_CODES.NONE,
      errorMessage: null,
      resources: yield* byResource(found),
    };
  },
};

function* byResource(acls: readonly Acl[]): Work<Resource[]> {
  const resources = new Map<string, Resource & { readonly acls: AclCodes[] }>();
  for (const acl of acls) {
    const codes = codesOf(acl);
    const { resourceType, resourceName, patternType } = codes;
    const key = `${resourceType}/${patternType}/${resourceName}`;
    const known = resources.get(key);
    if (known === undefined) resources.set(key, { resourceType, resourceName, patternType, acls: [codes] });
    else known.acls.push(codes);
    yield;
  }
  return [...resources.values()];
}

function refusal(errorCode: number, errorMessage: string): ResponseInput<typeof describeAcls> {
  return { throttleTimeMs: 0, errorCode, errorMessage, resources: [] };
}
