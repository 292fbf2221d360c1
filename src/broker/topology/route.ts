import type { TopologyQueue } from '../queues/queue-port.ts';
import type { ReplyConsumer } from './direct-reply.ts';
import type { StreamPort } from './ports.ts';

/** Grows with each change that a route may depend on: routes of before do not hold any more. */
export interface RouteVersion {
  readonly version: number;
}

/** Where a message goes. */
export interface Route<Q extends TopologyQueue> {
  /** Each queue once. */
  readonly queues: readonly Q[];
  /** Streams that it is appended to, each once. What is bound to them gets it from there. */
  readonly streams: readonly StreamPort[];
  /** Whether it holds for every message with this exchange and routing key, as long as the version is the same. */
  readonly cacheable: boolean;
  /** The version of the virtual host for which it was worked out; another one as soon as it does not hold any more. */
  version: number;
  /** How long the message waits before it is routed on, if the store of delayed messages is among the queues; or -1. */
  readonly delayMs: number;
  /**
   * Routing would have taken more than `ROUTE_STEPS_MAX` steps, and ended there: publishers are refused, and what the
   * broker moves by itself goes to what was reached.
   */
  readonly isCutOff: boolean;
  /** Who gets it beside the queues, without its being stored. Only routes that are not cacheable have any. */
  readonly directReplies: readonly ReplyConsumer[];
}
