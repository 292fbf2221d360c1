import { isIP } from 'node:net';

/** For whom a quota is: a user, a client by the name that it gives itself, both, or an address. Null: all others. */
export interface QuotaEntity {
  readonly user?: string | null;
  readonly clientId?: string | null;
  readonly ip?: string | null;
}

export type QuotaKey =
  | 'producer_byte_rate'
  | 'consumer_byte_rate'
  | 'request_percentage'
  | 'connection_creation_rate';

export type QuotaValues = { readonly [key in QuotaKey]?: number };

export interface Quota {
  readonly entity: QuotaEntity;
  readonly values: QuotaValues;
}

const CLIENT_QUOTA_KEYS: readonly QuotaKey[] = [
  'producer_byte_rate',
  'consumer_byte_rate',
  'request_percentage',
];
const ADDRESS_QUOTA_KEYS: readonly QuotaKey[] = ['connection_creation_rate'];

/** The same for two that are about the same. */
export function entityKey({ user, clientId, ip }: QuotaEntity): string {
  return JSON.stringify([partKey(user), partKey(clientId), partKey(ip)]);
}

function partKey(part: string | null | undefined): readonly string[] | null {
  return part === undefined ? null : part === null ? [] : [part];
}

/** Why there is no such quota; null if it makes sense. */
export function quotaProblem(entity: QuotaEntity, values: QuotaValues): string | null {
  const { user, clientId, ip } = entity;
  if (user === undefined && clientId === undefined && ip === undefined) {
    return 'a quota is for a user, a client id, both, or an address';
  }
  if (ip !== undefined && (user !== undefined || clientId !== undefined)) {
    return 'a quota for an address is for nothing else besides';
  }
  if (typeof ip === 'string' && isIP(ip) === 0) return `'${ip}' is no address`;
  if (user === '' || clientId === '') return 'a name is empty: leave it out for all others';
  const keys = ip === undefined ? CLIENT_QUOTA_KEYS : ADDRESS_QUOTA_KEYS;
  for (const [key, value] of Object.entries(values)) {
    if (!(keys as readonly string[]).includes(key)) {
      return `there is no quota '${key}' for this; there are ${keys.join(', ')}`;
    }
    if (!Number.isFinite(value) || value <= 0) return `quota '${key}' has to be above 0, and is ${value}`;
  }
  return null;
}
