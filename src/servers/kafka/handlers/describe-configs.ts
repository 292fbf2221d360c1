import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { describeConfigs } from '../../../wire/kafka/messages/configs.ts';
import type { ConfigEntry } from '../configs/config-resource.ts';
import { configResource } from '../configs/resources.ts';
import { codesOf, type Fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof describeConfigs>;
type Result = ResponseInput<typeof describeConfigs>['results'][number];

export const describeConfigsHandler: ApiHandler<typeof describeConfigs> = {
  api: describeConfigs,
  minVersion: 1,
  maxVersion: 4,
  handle(request, context) {
    return {
      throttleTimeMs: 0,
      results: request.resources.map((resource) => describe(resource, request, context)),
    };
  },
};

function describe(wanted: Request['resources'][number], request: Request, context: RequestContext): Result {
  const { resourceType, resourceName, configurationKeys: keys } = wanted;
  const resource = configResource(resourceType);
  const described: readonly ConfigEntry[] | Fault =
    'error' in resource ? resource : resource.describe(resourceName, context);
  if ('error' in described) return { ...codesOf(described), resourceType, resourceName, configs: [] };
  return {
    ...codesOf(null),
    resourceType,
    resourceName,
    configs: described
      // Kafka takes an empty list of names for all configs, as it does null.
      .filter(({ name }) => keys === null || keys.length === 0 || keys.includes(name))
      .map(({ name, value, isSensitive = false, readOnly, source, type, documentation, synonyms }) => ({
        name,
        value,
        readOnly,
        configSource: source,
        isSensitive,
        synonyms: request.includeSynonyms ? synonyms : [],
        configType: type,
        documentation: request.includeDocumentation ? documentation : null,
      })),
  };
}
