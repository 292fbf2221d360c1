import { mapped, type Work } from '../../../base/turn-time.ts';
import { tally } from '../../../base/work-collections.ts';
import { CONFIG_OPERATION } from '../../../wire/kafka/constants.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { ConfigChange } from './config-resource.ts';
import { configResource } from './resources.ts';

/** The config changes of one resource, as a request has them. */
export interface Alteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
    /** Left out: it is set. */
    readonly configOperation?: number;
  }[];
}

/** Of one resource, which are altered all at once: some ten times as many as Kafka knows of any kind. */
const CONFIGS_MAX = 1000;

interface AlterationResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly resourceType: number;
  readonly resourceName: string;
}

/** Alters each resource by itself: one that is refused does not stop the others. */
export function* alterAll(
  alterations: readonly Alteration[],
  isWhole: boolean,
  isValidation: boolean,
  context: RequestContext,
): Work<AlterationResult[]> {
  const counts = yield* tally(alterations, keyOf);
  const results = yield* mapped(alterations, (each) => {
    const { resourceType, resourceName } = each;
    const isDouble = (counts.get(keyOf(each)) ?? 0) > 1;
    const wrong = isDouble
      ? fault('INVALID_REQUEST', 'Each resource must appear at most once.')
      : alter(each, isWhole, isValidation, context);
    return { ...codesOf(wrong), resourceType, resourceName };
  });
  yield durable(context.broker);
  return results;
}

function alter(
  alteration: Alteration,
  isWhole: boolean,
  isValidation: boolean,
  context: RequestContext,
): Fault | null {
  const { resourceType, resourceName, configs } = alteration;
  const resource = configResource(resourceType);
  if ('error' in resource) return resource;
  if (configs.length > CONFIGS_MAX) {
    return fault('INVALID_REQUEST', `More than ${CONFIGS_MAX} configs of one resource in one request`);
  }
  const changes = configs.map(({ name, value, configOperation = CONFIG_OPERATION.SET }): ConfigChange => {
    return { name, value, operation: configOperation };
  });
  if (new Set(changes.map(({ name }) => name)).size < changes.length) {
    return fault('INVALID_REQUEST', 'Error due to duplicate config keys');
  }
  return resource.alter(resourceName, changes, isWhole, isValidation, context);
}

function keyOf({ resourceType, resourceName }: Alteration): string {
  return `${resourceType}/${resourceName}`;
}
