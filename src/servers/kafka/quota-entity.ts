import type { QuotaEntity } from '../../broker/access/quota.ts';

/** How the parts of an entity are called in messages. */
const FIELDS: ReadonlyMap<string, keyof QuotaEntity> = new Map([
  ['user', 'user'],
  ['client-id', 'clientId'],
  ['ip', 'ip'],
]);

export interface EntityPart {
  readonly entityType: string;
  readonly entityName: string | null;
}

export function isEntityType(type: string): boolean {
  return FIELDS.has(type);
}

/** As text, why there is no such entity. */
export function entityOf(parts: readonly EntityPart[]): QuotaEntity | string {
  const entity: { -readonly [field in keyof QuotaEntity]: QuotaEntity[field] } = {};
  for (const { entityType, entityName } of parts) {
    const field = FIELDS.get(entityType);
    if (field === undefined) return `Unhandled client quota entity type: ${entityType}`;
    if (entity[field] !== undefined) return `Duplicate entity type: ${entityType}`;
    entity[field] = entityName;
  }
  return entity;
}

export function partsOf(entity: QuotaEntity): EntityPart[] {
  return Array.from(FIELDS).flatMap(([entityType, field]) => {
    const entityName = entity[field];
    return entityName === undefined ? [] : [{ entityType, entityName }];
  });
}

/** Undefined if the entity has no such part. */
export function partOf(entity: QuotaEntity, type: string): string | null | undefined {
  const field = FIELDS.get(type);
  return field === undefined ? undefined : entity[field];
}
