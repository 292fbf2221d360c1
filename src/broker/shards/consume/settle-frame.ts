import type { RequeueReason } from '../../queues/delivery-outcome.ts';

/**
 * What the shard of a consumer says to that of its queue, once in a turn. A frame is entries of three f64, in order:
 *
 *     0  number of the consumer * 16 + kind; consumer 0: what basic.get has given out
 *     8  from which tag,   or: how many messages,
 *    16  to which one      or: and bytes have left the window
 *
 * Tags between both, which are settled already or are another consumer's, do not count. They are settled in the order that leads
 * from the first to the second.
 */
export const ENTRY_NUMBERS = 3;
export const ENTRY_BYTES = 24;
export const KINDS_MAX = 16;

export const ACK = 0;
export const DROP = 1;
/** The consumer may be given what has tags up to the first number, and no more; Infinity: as much as the window has room for. */
export const ALLOW = 13;
/** Room in the window for more. */
export const CREDIT = 14;
/** The client has cancelled the consumer; what it has can still be settled. */
export const CANCEL = 15;

/** By kind; those of ALLOW, CREDIT and CANCEL have none. */
export const OUTCOMES: readonly ('ack' | 'drop' | RequeueReason | null)[] = [
  'ack',
  'drop',
  'rejected',
  'lost',
  'returned',
  'recovered',
  'timeout',
  'unseen',
  'unseen-again',
];

export function kindOf(reason: RequeueReason): number {
  return OUTCOMES.indexOf(reason);
}

export const UNSEEN = kindOf('unseen');
export const UNSEEN_AGAIN = kindOf('unseen-again');
