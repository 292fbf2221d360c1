import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { describeCluster } from '../../../wire/kafka/messages/metadata.ts';
import { codesOf, fault } from '../fault.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import type { ApiHandler } from '../handler.ts';
import { NODE_ID } from '../node-id.ts';

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeClusterHandler: ApiHandler<typeof describeCluster> = {
  api: describeCluster,
  minVersion: 0,
  maxVersion: 2,
  handle({ endpointType, includeClusterAuthorizedOperations }, context) {
    if (endpointType !== BROKERS) {
      const wrong =
        endpointType === CONTROLLERS
          ? fault(
              'MISMATCHED_ENDPOINT_TYPE',
              'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
            )
          : fault('UNSUPPORTED_ENDPOINT_TYPE', `Unsupported endpoint type ${endpointType}`);
      return { throttleTimeMs: 0, ...codesOf(wrong), clusterId: '', brokers: [] };
    }
    return {
      throttleTimeMs: 0,
      ...codesOf(null),
      clusterId: context.broker.cluster.id,
      controllerId: NODE_ID,
      brokers: context.brokers.map(({ nodeId, host, port }) => ({ brokerId: nodeId, host, port })),
      clusterAuthorizedOperations: authorizedOperations(
        includeClusterAuthorizedOperations,
        'cluster',
        CLUSTER_NAME,
        context,
      ),
    };
  },
};
