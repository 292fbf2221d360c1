import { filtered, mapped } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { Quota } from '../../../broker/access/quota.ts';
import { QUOTA_MATCH_TYPE } from '../../../wire/kafka/constants.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeClientQuotas } from '../../../wire/kafka/messages/quotas.ts';
import type { ApiHandler } from '../handler.ts';
import { componentsOf, ENTITY_TYPES, isEntityType, nameFor } from '../quota-entity.ts';

type Component = RequestOf<typeof describeClientQuotas>['components'][number];
type Response = ResponseInput<typeof describeClientQuotas>;

export const describeClientQuotasHandler: ApiHandler<typeof describeClientQuotas> = {
  api: describeClientQuotas,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
  *handle({ components, strict }, context) {
    if (!context.client.mayRule('describe-configs', 'cluster', CLUSTER_NAME)) {
      return refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.');
    }
    // With one more than there are types, one is there twice or unknown.
    const problem = problemOf(components.slice(0, ENTITY_TYPES + 1));
    if (problem !== null) return problem;
    const { quotas } = context.broker.access;
    const found = yield* filtered(quotas.list(), (quota) => fits(quota, components, strict));
    const entries = yield* mapped(found, ({ entity, values }) => ({
      entity: componentsOf(entity),
      values: Object.entries(values).map(([key, value]) => ({ key, value })),
    }));
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, errorMessage: null, entries };
  },
};

/** Whether each filter component matches the entity, and, if `strict`, the entity has no other types (KIP-546). */
function fits({ entity }: Quota, components: readonly Component[], strict: boolean): boolean {
  if (strict && componentsOf(entity).length !== components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    const name = nameFor(entity, entityType);
    if (name === undefined) return false;
    if (matchType === QUOTA_MATCH_TYPE.ANY) return true;
    return name === (matchType === QUOTA_MATCH_TYPE.DEFAULT ? null : match);
  });
}

function problemOf(components: readonly Component[]): Response | null {
  const types = components.map(({ entityType }) => entityType);
  const other = types.find((type) => !isEntityType(type));
  if (other === '') return refusal('INVALID_REQUEST', 'Unexpected empty filter component entity type');
  if (other !== undefined)
    return refusal('UNSUPPORTED_VERSION', `Custom entity type '${other}' not supported`);
  if (new Set(types).size < types.length) {
    return refusal('INVALID_REQUEST', 'Duplicate filter component entity type');
  }
  if (types.includes('ip') && types.length > 1) {
    return refusal(
      'INVALID_REQUEST',
      'Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component.',
    );
  }
  for (const { matchType, match } of components) {
    const isExact = matchType === QUOTA_MATCH_TYPE.EXACT;
    if (isExact && match === null)
      return refusal('INVALID_REQUEST', 'Request specified EXACT match type but no name');
    if (!isExact && match !== null) {
      return refusal('INVALID_REQUEST', 'Request specified a name with a match type that takes none');
    }
    if (!(Object.values(QUOTA_MATCH_TYPE) as number[]).includes(matchType)) {
      return refusal('INVALID_REQUEST', `Unexpected match type: ${matchType}`);
    }
  }
  return null;
}

function refusal(error: ErrorName, errorMessage: string): Response {
  return { throttleTimeMs: 0, errorCode: ERROR_CODES[error], errorMessage, entries: null };
}
