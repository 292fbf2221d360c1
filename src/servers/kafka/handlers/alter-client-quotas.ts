import { mapped } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { BrokerError } from '../../../broker/errors.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { alterClientQuotas } from '../../../wire/kafka/messages/quotas.ts';
import type { ApiHandler } from '../handler.ts';
import { entityOf } from '../quota-entity.ts';
import type { RequestContext } from './request-context.ts';

type Entry = RequestOf<typeof alterClientQuotas>['entries'][number];

interface Problem {
  readonly error: ErrorName;
  readonly text: string;
}

export const alterClientQuotasHandler: ApiHandler<typeof alterClientQuotas> = {
  api: alterClientQuotas,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
  *handle({ entries, validateOnly }, context) {
    const isAllowed = context.client.mayRule('alter-configs', 'cluster', CLUSTER_NAME);
    const results = yield* mapped(entries, (entry) => {
      const problem = isAllowed ? alter(entry, validateOnly, context) : REFUSED;
      return {
        errorCode: ERROR_CODES[problem?.error ?? 'NONE'],
        errorMessage: problem?.text ?? null,
        entity: entry.entity,
      };
    });
    yield context.broker.shard.durable(context.broker.shard.metadataBlock);
    return { throttleTimeMs: 0, entries: results };
  },
};

const OPS_MAX = 100;
const REFUSED: Problem = { error: 'CLUSTER_AUTHORIZATION_FAILED', text: 'Cluster authorization failed.' };

function alter(
  { entity: components, ops }: Entry,
  validateOnly: boolean,
  { client, broker }: RequestContext,
): Problem | null {
  const entity = entityOf(components);
  if (typeof entity === 'string') return { error: 'INVALID_REQUEST', text: entity };
  // Kafka knows a handful.
  if (ops.length > OPS_MAX)
    return { error: 'INVALID_REQUEST', text: `More than ${OPS_MAX} quotas of one entity` };
  const changes = Object.fromEntries(ops.map(({ key, value, remove }) => [key, remove ? null : value]));
  if (Object.keys(changes).length < ops.length) {
    return { error: 'INVALID_REQUEST', text: 'A quota is altered twice in the same request' };
  }
  const { access, events } = broker;
  try {
    access.quotas.check(entity, changes);
    // What was checked is not refused: its promise is for the disk alone, which is waited for once.
    if (!validateOnly) events.as(client.actor, () => access.quotas.alter(entity, changes));
    return null;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { error: 'INVALID_REQUEST', text: error.message };
  }
}
