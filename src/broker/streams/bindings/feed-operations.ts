import type { Table } from '../../../base/value.ts';
import { type Json, tableFromJson, tableToJson } from '../../../base/value-json.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

type PositionJson = readonly [from: number, replay: number | null, sinceMs: number | null];

/** How far streams were fed into their bindings, as it stands in the journal. */
export type FeedOperation =
  /** Records below `to` went through the bindings of this partition. */
  | { readonly op: 'view.fed'; readonly id: string; readonly p: number; readonly to: number }
  /** The same for one binding that is behind the others. */
  | { readonly op: 'view.replayed'; readonly n: number; readonly p: number; readonly to: number }
  /** It is not behind any more, and gets what is not below `from` with the others. */
  | { readonly op: 'view.joined'; readonly n: number; readonly p: number; readonly from: number }
  | {
      readonly op: 'view.bind';
      readonly n: number;
      readonly id: string;
      readonly binding: string;
      readonly positions: readonly PositionJson[];
    }
  | { readonly op: 'view.unbind'; readonly n: number }
  /** A stream was declared as a queue. */
  | { readonly op: 'view.queue'; readonly id: string; readonly arguments: Json };

export function encodeFeedOperation(operation: FeedOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

export function decodeFeedOperation(bytes: Uint8Array): FeedOperation {
  return JSON.parse(UTF8.decode(bytes)) as FeedOperation;
}

export function argumentsToJson(args: Table): Json {
  return tableToJson(args);
}

export function argumentsFromJson(json: Json): Table {
  return tableFromJson(json as { readonly [key: string]: Json });
}

/** What an operation that is written with messages takes of the journal at most, in bytes. */
export const FED_BYTES = 128;
