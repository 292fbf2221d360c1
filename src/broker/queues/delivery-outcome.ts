/**
 * Why a delivery goes back to where it came from. As in RabbitMQ 4.3, the message has failed if it was rejected, or if its
 * consumer was lost with it; it has not if the consumer gave it back unprocessed, or took too long.
 *
 *     rejected   basic.reject with requeue     failed
 *     lost       channel or connection ended   failed
 *     returned   basic.nack with requeue
 *     recovered  basic.recover
 *     timeout    the acknowledgement timeout
 *
 * From another shard also what is as if it had not been delivered, as the client never got it:
 *
 *     unseen        nor did anybody else before
 *     unseen-again  somebody else did
 */
export type RequeueReason =
  | 'rejected'
  | 'lost'
  | 'returned'
  | 'recovered'
  | 'timeout'
  | 'unseen'
  | 'unseen-again';

/** What a client does with a delivery: `requeue` is basic.reject's, `return` basic.nack's. */
export type Outcome = 'ack' | 'drop' | 'requeue' | 'return';
