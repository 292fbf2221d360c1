import { distinct } from '../../../base/work-collections.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { CONFIG_RESOURCE_TYPE } from '../../../wire/kafka/constants.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { listConfigResources } from '../../../wire/kafka/messages/configs.ts';
import { CONFIG_RESOURCES } from '../configs/resources.ts';
import type { ApiHandler } from '../handler.ts';

/** Resource types of Kafka that have no resources here: the list is empty. */
const WITHOUT_ANY: ReadonlySet<number> = new Set([
  CONFIG_RESOURCE_TYPE.BROKER_LOGGER,
  CONFIG_RESOURCE_TYPE.CLIENT_METRICS,
]);

/** KIP-1142. Version 0 was ListClientMetricsResources (KIP-1000), and there are none. */
export const listConfigResourcesHandler: ApiHandler<typeof listConfigResources> = {
  api: listConfigResources,
  minVersion: 0,
  maxVersion: 1,
  *handle({ resourceTypes }, context) {
    const refused = (error: keyof typeof ERROR_CODES) => ({
      throttleTimeMs: 0,
      errorCode: ERROR_CODES[error],
      configResources: [],
    });
    if (!context.isAllowed('describe-configs', 'cluster', CLUSTER_NAME)) {
      return refused('CLUSTER_AUTHORIZATION_FAILED');
    }
    const asked = context.version === 0 ? [CONFIG_RESOURCE_TYPE.CLIENT_METRICS] : resourceTypes;
    const wanted = yield* distinct(asked);
    const isKnown = (type: number) =>
      WITHOUT_ANY.has(type) || CONFIG_RESOURCES.some((each) => each.type === type);
    if (![...wanted].every(isKnown)) return refused('UNSUPPORTED_VERSION');
    const resources = CONFIG_RESOURCES.filter(({ type }) => wanted.size === 0 || wanted.has(type));
    const configResources: { readonly resourceName: string; readonly resourceType: number }[] = [];
    for (const resource of resources) {
      for (const resourceName of yield* resource.list(context)) {
        configResources.push({ resourceName, resourceType: resource.type });
        yield;
      }
    }
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, configResources };
  },
};
