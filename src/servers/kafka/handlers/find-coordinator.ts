import { mapped } from '../../../base/turn-time.ts';
import { COORDINATOR_TYPE } from '../../../wire/kafka/constants.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { findCoordinator } from '../../../wire/kafka/messages/group-membership.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

const BATCHED_VERSION = 4;
const SHARE_VERSION = 6;

type Coordinator = NonNullable<ResponseInput<typeof findCoordinator>['coordinators']>[number];

/** The controller coordinates every group, share group and transactional id. */
export const findCoordinatorHandler: ApiHandler<typeof findCoordinator> = {
  api: findCoordinator,
  minVersion: 0,
  maxVersion: 6,
  *handle({ key, keyType, coordinatorKeys }, context) {
    if (context.version >= BATCHED_VERSION) {
      const coordinators = yield* mapped(coordinatorKeys, (each) => find(each, keyType, context));
      return { throttleTimeMs: 0, coordinators };
    }
    return { throttleTimeMs: 0, ...find(key, keyType, context) };
  },
};

function find(key: string, keyType: number, context: RequestContext): Coordinator {
  const error = refusalOf(key, keyType, context);
  if (error !== null) {
    return { key, nodeId: -1, host: '', port: -1, errorCode: ERROR_CODES[error], errorMessage: error };
  }
  const { nodeId, host, port } = context.brokers[0];
  return { key, nodeId, host, port, errorCode: ERROR_CODES.NONE, errorMessage: null };
}

function refusalOf(key: string, keyType: number, context: RequestContext): ErrorName | null {
  switch (keyType) {
    case COORDINATOR_TYPE.GROUP:
      return context.isAllowed('describe', 'group', key) ? null : 'GROUP_AUTHORIZATION_FAILED';
    case COORDINATOR_TYPE.TRANSACTION:
      if (context.isAllowed('describe', 'transactional-id', key)) return null;
      return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
    case COORDINATOR_TYPE.SHARE:
      if (context.version < SHARE_VERSION || !/^.+:[\w-]{22}:\d+$/s.test(key)) return 'INVALID_REQUEST';
      return context.isAllowed('cluster-action', 'cluster', 'kafka-cluster')
        ? null
        : 'CLUSTER_AUTHORIZATION_FAILED';
    default:
      return 'INVALID_REQUEST';
  }
}
