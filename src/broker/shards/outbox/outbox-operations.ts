/**
 * What the journal keeps of outboxes, in UTF-8 as JSON:
 *
 *     open       the log of the outbox for a shard
 *     received   of a shard, the id of the entry that is taken next: in the block of the entries before it
 */
export type OutboxOperation =
  | { readonly op: 'outbox.open'; readonly to: number; readonly id: number }
  | { readonly op: 'outbox.received'; readonly from: number; readonly next: number };

export const OUTBOX_PREFIX = 'outbox';

/** The most bytes of an operation `received`. */
export const RECEIVED_BYTES_MAX = 96;

export function encodeOutboxOperation(operation: OutboxOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

/** @throws Error if it is not an operation that this version knows */
export function decodeOutboxOperation(bytes: Uint8Array): OutboxOperation {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const operation = JSON.parse(text) as OutboxOperation;
  const isKnown =
    (operation.op === 'outbox.open' &&
      Number.isSafeInteger(operation.to) &&
      Number.isSafeInteger(operation.id)) ||
    (operation.op === 'outbox.received' &&
      Number.isSafeInteger(operation.from) &&
      Number.isSafeInteger(operation.next));
  if (!isKnown) throw new Error(`unknown metadata operation: ${text.slice(0, 200)}`);
  return operation;
}

/** The other shard that the operation is about. */
export function peerOf(bytes: Uint8Array): number {
  const operation = decodeOutboxOperation(bytes);
  return operation.op === 'outbox.open' ? operation.to : operation.from;
}
