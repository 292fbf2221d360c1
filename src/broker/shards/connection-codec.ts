import { type Json, tableFromJson, tableToJson } from '../../base/value-json.ts';
import type { ChannelInfo, ConnectionInfo, ConsumerInfo } from '../connections/connection-info.ts';

/** What a shard tells of its connections, by the kind that is asked for. */
export interface Described {
  readonly connections: ConnectionInfo;
  readonly channels: ChannelInfo;
  readonly consumers: ConsumerInfo;
}

export type DescribedKind = keyof Described;

type Fields = { readonly [field: string]: Json };
type Table = ConnectionInfo['clientProperties'];

/** The fields as they are, with tables as in value-json.ts. */
export function encodeDescribed(info: Described[DescribedKind]): Json {
  return Object.fromEntries(
    Object.entries(info).map(([field, value]) => [
      field,
      isTable(field) ? tableToJson(value as Table) : (value as Json),
    ]),
  );
}

export function decodeDescribed<K extends DescribedKind>(json: Json): Described[K] {
  return Object.fromEntries(
    Object.entries(json as Fields).map(([field, value]) => [
      field,
      isTable(field) ? tableFromJson(value as Fields) : value,
    ]),
  ) as unknown as Described[K];
}

function isTable(field: string): boolean {
  return field === 'clientProperties' || field === 'arguments';
}
