/**
 * Messages for queues of another shard: all of a turn in one frame, as far as that is not too large.
 *
 *     publish   metadata f64 | message*, each at a multiple of 8
 *               `metadata`: the number of the last change of metadata that the sender knew; the receiver has to know it, too, before
 *               it can find the queues
 *     message   bytes u32 | queues u32 | flags u8 | priority u8 | u16 0 | queue id u32 * | content, as record-content.ts has it
 *               `bytes` without what fills up to the next one
 *
 * Messages are numbered from 1 on, for each direction between two shards. What is safe is told by the number of the last one of which
 * that is true, as blocks of a journal become safe in order, with the numbers of those that a queue refused:
 *
 *     stored    up to f64 | refused f64 *
 *
 * Numbers have the byte order of the machine.
 */
export const PUBLISH_HEAD_BYTES = 8;
export const MESSAGE_HEAD_BYTES = 12;
export const MESSAGE_QUEUES_AT = 4;
export const MESSAGE_FLAGS_AT = 8;
export const MESSAGE_PRIORITY_AT = 9;
export const QUEUE_ID_BYTES = 4;
export const SEQUENCE_BYTES = 8;

export const FLAG_PERSISTENT = 1;
/** It has a time to live. */
export const FLAG_EXPIRES = 2;

export function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}
