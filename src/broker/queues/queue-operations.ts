/**
 * What the journal keeps of a queue beside its messages and what the topology knows, in UTF-8 as JSON objects that all
 * begin in the same way:
 *
 *     lane       the log of one more priority level
 *     open       in a shard that follows another: that the queue is there, and the last change of shard 0 that was known then
 *     failures   how often messages failed at consumers: offset, count, offset, count, ..., and for each of them how often
 *                it came back in all; where that is not said, as often as it failed
 *     seen       the name of a message for deduplication: where that is, in the same block; and with x-cache-ttl, until when the
 *                name is known whether it is there or not
 */
export type QueueOperation =
  | { readonly op: 'queue-state.open'; readonly id: number; readonly change: number }
  | {
      readonly op: 'queue-state.lane';
      readonly id: number;
      readonly priority: number;
      readonly laneId: number;
    }
  | {
      readonly op: 'queue-state.failures';
      readonly id: number;
      readonly priority: number;
      readonly counts: readonly number[];
      readonly acquired?: readonly number[];
    }
  | {
      readonly op: 'queue-state.seen';
      readonly id: number;
      readonly key: string;
      readonly untilMs?: number;
      /** Both, or neither in what was written before. */
      readonly priority?: number;
      readonly offset?: number;
    };

const BEGINNING = Buffer.from('{"op":"queue-state.', 'latin1');

export function isQueueOperation(bytes: Buffer): boolean {
  return bytes.subarray(0, BEGINNING.length).equals(BEGINNING);
}

export function encodeQueueOperation(operation: QueueOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

/** What JSON makes of one UTF-16 unit at most: `\u0000`. */
const JSON_UNIT_BYTES_MAX = 6;
/** All else of the operation `seen`, with the largest numbers. */
const SEEN_BYTES_MAX = 200;

/** What an operation `seen` with this name takes at most: to be known before its offset is, for each message. */
export function seenOperationBytesMax(name: string): number {
  return SEEN_BYTES_MAX + name.length * JSON_UNIT_BYTES_MAX;
}

/** @throws Error if it is not an operation that this version knows */
export function decodeQueueOperation(bytes: Buffer): QueueOperation {
  const operation = JSON.parse(bytes.toString('utf8')) as QueueOperation;
  const isKnown =
    Number.isSafeInteger(operation.id) &&
    ((operation.op === 'queue-state.open' && Number.isSafeInteger(operation.change)) ||
      (operation.op === 'queue-state.lane' && Number.isSafeInteger(operation.laneId)) ||
      (operation.op === 'queue-state.failures' &&
        Array.isArray(operation.counts) &&
        (operation.acquired === undefined || Array.isArray(operation.acquired))) ||
      (operation.op === 'queue-state.seen' && typeof operation.key === 'string'));
  if (!isKnown) throw new Error(`unknown metadata operation: ${bytes.toString('utf8').slice(0, 200)}`);
  return operation;
}
