import type { QuotaEntity } from '../../broker/access/quota.ts';

/** `entity_type` in messages (KIP-546) to the field of the broker's quota entity. */
const FIELDS: ReadonlyMap<string, keyof QuotaEntity> = new Map([
  ['user', 'user'],
  ['client-id', 'clientId'],
  ['ip', 'ip'],
]);

/** How many there are. */
export const ENTITY_TYPES = FIELDS.size;

export interface EntityComponent {
  readonly entityType: string;
  readonly entityName: string | null;
}

export function isEntityType(type: string): boolean {
  return FIELDS.has(type);
}

/** The entity, or, as text, why it is invalid. */
export function entityOf(components: readonly EntityComponent[]): QuotaEntity | string {
  const entity: { -readonly [field in keyof QuotaEntity]: QuotaEntity[field] } = {};
  for (const { entityType, entityName } of components) {
    const field = FIELDS.get(entityType);
    if (field === undefined) return `Unhandled client quota entity type: ${entityType}`;
    if (entity[field] !== undefined) return `Duplicate entity type: ${entityType}`;
    entity[field] = entityName;
  }
  return entity;
}

export function componentsOf(entity: QuotaEntity): EntityComponent[] {
  return Array.from(FIELDS).flatMap(([entityType, field]) => {
    const entityName = entity[field];
    return entityName === undefined ? [] : [{ entityType, entityName }];
  });
}

/** The name for this entity type: null for the default entity, undefined if the entity has no such type. */
export function nameFor(entity: QuotaEntity, type: string): string | null | undefined {
  const field = FIELDS.get(type);
  return field === undefined ? undefined : entity[field];
}
