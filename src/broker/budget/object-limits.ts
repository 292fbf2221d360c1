import { ALL_OBJECT_KINDS, OBJECT_KINDS, type ObjectKind } from './object-kinds.ts';

/** `memory`: bytes of the heap that all objects together may take, by the measures of `object-kinds.ts`. */
export type ObjectLimit = ObjectKind | 'memory';

export const ALL_OBJECT_LIMITS: readonly ObjectLimit[] = [...ALL_OBJECT_KINDS, 'memory'];

/** What is not named is not limited. */
export type ObjectLimits = { readonly [limit in ObjectLimit]?: number };

/** Each replaces the usual limits as far as it names them; Infinity for none. */
export interface ObjectLimitSettings {
  readonly user: ObjectLimits;
  readonly administrator: ObjectLimits;
  readonly vhost: ObjectLimits;
}

/** So many times what a user may have. */
const ADMINISTRATOR_TIMES = 20;
const VHOST_TIMES = 40;
/** Of the heap, for all that one user has made who is no administrator. */
const USER_HEAP_SHARE = 0.4;
/** Of what the process may take before publishers are blocked: the rest is for messages, for what is not counted, and for others. */
const USER_MEMORY_SHARE = 0.2;

/** `heapBytes`: the limit of the heap of this process. `memoryBytes`: where memory is short. */
export function usualLimits(heapBytes: number, memoryBytes = Number.POSITIVE_INFINITY): ObjectLimitSettings {
  const memory = Math.floor(Math.min(heapBytes * USER_HEAP_SHARE, memoryBytes * USER_MEMORY_SHARE));
  return {
    user: { ...times(1), memory },
    administrator: times(ADMINISTRATOR_TIMES),
    // Users do not make policies.
    vhost: { ...times(VHOST_TIMES), policies: OBJECT_KINDS.policies.userMax },
  };
}

export function mergedLimits(
  usual: ObjectLimitSettings,
  set: Partial<ObjectLimitSettings>,
): ObjectLimitSettings {
  return {
    user: { ...usual.user, ...set.user },
    administrator: { ...usual.administrator, ...set.administrator },
    vhost: { ...usual.vhost, ...set.vhost },
  };
}

function times(factor: number): ObjectLimits {
  return Object.fromEntries(ALL_OBJECT_KINDS.map((kind) => [kind, OBJECT_KINDS[kind].userMax * factor]));
}
