import { mapped, type Work } from '../../../base/turn-time.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { ConfigChange } from './config-resource.ts';
import { configResource } from './resources.ts';

/** The config changes of one resource. */
export interface Alteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly changes: readonly ConfigChange[];
}

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
  const counts = new Map<string, number>();
  for (const each of alterations) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1);
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
  const { resourceType, resourceName, changes } = alteration;
  const resource = configResource(resourceType);
  if ('error' in resource) return resource;
  if (new Set(changes.map(({ name }) => name)).size < changes.length) {
    return fault('INVALID_REQUEST', 'Error due to duplicate config keys');
  }
  return resource.alter(resourceName, changes, isWhole, isValidation, context);
}

function keyOf({ resourceType, resourceName }: Alteration): string {
  return `${resourceType}/${resourceName}`;
}
