import type { Work } from '../../../base/turn-time.ts';
import { CONFIG_OPERATION, CONFIG_RESOURCE_TYPE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';

/** A value that is set for a config at one level. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  /** One of CONFIG_SOURCE. */
  readonly source: number;
}

/** A config of a topic, broker or group, as DescribeConfigs shows it. */
export interface ConfigEntry {
  readonly name: string;
  /** Null for one without a value, and for a secret. */
  readonly value: string | null;
  readonly isSensitive?: boolean;
  readonly readOnly: boolean;
  /** One of CONFIG_SOURCE. */
  readonly source: number;
  /** One of CONFIG_TYPE. */
  readonly type: number;
  readonly documentation: string;
  /** All values that are set for it at any level, the effective one first (KIP-226). */
  readonly synonyms: readonly ConfigSynonym[];
}

/** A change of one config. */
export interface ConfigChange {
  readonly name: string;
  /** One of CONFIG_OPERATION. */
  readonly operation: number;
  readonly value: string | null;
}

/** A type of resources with configs. */
export interface ConfigResource {
  /** One of CONFIG_RESOURCE_TYPE. */
  readonly type: number;
  /** The names of the resources that the client may describe. */
  list(context: RequestContext): Work<readonly string[]>;
  describe(name: string, context: RequestContext): readonly ConfigEntry[] | Fault;
  /** `isWhole`: configs without a change go back to their defaults (AlterConfigs). */
  alter(
    name: string,
    changes: readonly ConfigChange[],
    isWhole: boolean,
    isValidation: boolean,
    context: RequestContext,
  ): Fault | null;
}

/**
 * The configs that are set after these changes. `listDefault`: null for a config that is no list. To delete what is not
 * set, or not known, changes nothing: a tool of an older Kafka takes back configs that are gone.
 */
export function changed(
  before: ReadonlyMap<string, string>,
  changes: readonly ConfigChange[],
  isWhole: boolean,
  listDefault: (name: string) => string | null,
): Map<string, string> | Fault {
  const after = new Map(isWhole ? [] : before);
  for (const { name, operation, value } of changes) {
    if (operation === CONFIG_OPERATION.DELETE) {
      after.delete(name);
      continue;
    }
    if (value === null) return fault('INVALID_REQUEST', `Null value not supported for : ${name}`);
    switch (operation) {
      case CONFIG_OPERATION.SET:
        after.set(name, value);
        break;
      case CONFIG_OPERATION.APPEND:
      case CONFIG_OPERATION.SUBTRACT: {
        const isAppend = operation === CONFIG_OPERATION.APPEND;
        const usual = listDefault(name);
        if (usual === null) {
          const verb = isAppend ? 'APPEND' : 'SUBTRACT';
          return fault('INVALID_CONFIG', `Can't ${verb} to key ${name} because its type is not LIST.`);
        }
        after.set(name, combined(after.get(name) ?? usual, value, isAppend));
        break;
      }
      default:
        return fault('INVALID_REQUEST', `Unknown operation type ${operation} for ${name}`);
    }
  }
  return after;
}

function combined(list: string, value: string, isAppend: boolean): string {
  const parts = words(list);
  const given = words(value);
  if (!isAppend) return parts.filter((part) => !given.includes(part)).join(',');
  return [...parts, ...given.filter((part) => !parts.includes(part))].join(',');
}

function words(list: string): string[] {
  return list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

export function resourceTypeName(type: number): string {
  return Object.entries(CONFIG_RESOURCE_TYPE).find(([, code]) => code === type)?.[0] ?? String(type);
}
