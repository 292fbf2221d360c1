import { mapped, type Work } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
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
  *handle(request, context) {
    const wanted = yield* once(request.resources);
    const results = yield* mapped(wanted, (resource) => describe(resource, request, context));
    return { throttleTimeMs: 0, results };
  },
};

interface Wanted {
  readonly resourceType: number;
  readonly resourceName: string;
  /** Null: all. Kafka takes an empty list of names for all configs, as it does null. */
  keys: Set<string> | null;
}

/** A resource that is named again is answered once, with all the configs that were asked for. */
function* once(resources: Request['resources']): Work<Iterable<Wanted>> {
  const wanted = new Map<string, Wanted>();
  for (const { resourceType, resourceName, configurationKeys } of resources) {
    const key = `${resourceType}/${resourceName}`;
    const names = configurationKeys === null || configurationKeys.length === 0 ? null : configurationKeys;
    const known = wanted.get(key);
    if (known === undefined) {
      const keys = names === null ? null : yield* distinct(names);
      wanted.set(key, { resourceType, resourceName, keys });
    } else if (names === null) known.keys = null;
    else if (known.keys !== null) yield* distinct(names, known.keys);
    yield;
  }
  return wanted.values();
}

function describe(
  { resourceType, resourceName, keys }: Wanted,
  request: Request,
  context: RequestContext,
): Result {
  const resource = configResource(resourceType);
  const described: readonly ConfigEntry[] | Fault =
    'error' in resource ? resource : resource.describe(resourceName, context);
  if ('error' in described) return { ...codesOf(described), resourceType, resourceName, configs: [] };
  return {
    ...codesOf(null),
    resourceType,
    resourceName,
    configs: described
      .filter(({ name }) => keys === null || keys.has(name))
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
