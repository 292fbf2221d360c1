import { type Json, tableFromJson, tableToJson } from '../../../base/value-json.ts';
import type { StreamFacts } from '../../streams/remote-stream.ts';

/**
 * What shard 0 tells the others of streams, as a change of metadata: it is in no journal, as it follows from the streams. The
 * same again, with other facts, is a change.
 *
 *     {"op":"remote-stream.attach","vhost":"/","name":"s","id":"…","partitions":[12],"maxMessageBytes":1048588,"declaredAs":{…}}
 *     {"op":"remote-stream.detach","vhost":"/","name":"s","id":"…"}
 */
export type StreamFactsOperation =
  | ({ readonly op: 'remote-stream.attach' } & StreamFacts)
  | {
      readonly op: 'remote-stream.detach';
      readonly vhost: string;
      readonly name: string;
      readonly id: string;
    };

export const STREAM_FACTS_PREFIX = 'remote-stream';
const START = `{"op":"${STREAM_FACTS_PREFIX}.`;

export function isStreamFactsOperation(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, START.length) === START;
}

export function encodeAttachment({ declaredAs, ...facts }: StreamFacts): Uint8Array {
  return bytesOf({
    op: 'remote-stream.attach',
    ...facts,
    declaredAs: declaredAs === null ? null : tableToJson(declaredAs),
  });
}

export function encodeDetachment({
  vhost,
  name,
  id,
}: Pick<StreamFacts, 'vhost' | 'name' | 'id'>): Uint8Array {
  return bytesOf({ op: 'remote-stream.detach', vhost, name, id });
}

export function decodeStreamFactsOperation(bytes: Uint8Array): StreamFactsOperation {
  const json = JSON.parse(Buffer.from(bytes).toString('utf8')) as StreamFactsOperation;
  if (json.op !== 'remote-stream.attach') return json;
  const declaredAs = json.declaredAs as { readonly [key: string]: Json } | null;
  return { ...json, declaredAs: declaredAs === null ? null : tableFromJson(declaredAs) };
}

function bytesOf(operation: Json): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}
