import { type Fault, fault } from '../fault.ts';
import { brokerConfigs } from './broker-config-resource.ts';
import { type ConfigResource, resourceTypeName } from './config-resource.ts';
import { groupConfigs } from './group-config-resource.ts';
import { topicConfigs } from './topic-config-resource.ts';

/** All resource types with configs; Kafka's BROKER_LOGGER and CLIENT_METRICS are not among them. */
export const CONFIG_RESOURCES: readonly ConfigResource[] = [topicConfigs, brokerConfigs, groupConfigs];

export function configResource(type: number): ConfigResource | Fault {
  return (
    CONFIG_RESOURCES.find((resource) => resource.type === type) ??
    fault('INVALID_REQUEST', `Unsupported resource type: ${resourceTypeName(type)}`)
  );
}
