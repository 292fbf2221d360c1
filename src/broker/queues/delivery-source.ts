import type { RequeueReason } from './delivery-outcome.ts';
import type { RemoteDelivery } from './remote-delivery.ts';

/** Where a delivery came from, and is settled: a priority level of a queue, or a partition of a stream. */
export interface DeliverySource {
  /** Set where the queue is in another shard, and a tx can settle its deliveries in its own block. */
  readonly remote?: RemoteDelivery;
  acknowledge(offset: number, publishedMs: number): void;
  reject(offset: number): void;
  requeue(offset: number, bodyBytes: number, reason: RequeueReason): void;
}

/** What a sink learns of a message of a queue beside its content: from the queue itself, or from another shard that has it. */
export interface DeliveryLevel extends DeliverySource {
  readonly queue: { readonly name: string };
  /** Whether it is counted how often messages come back and fail. */
  readonly countsFailures: boolean;
  /** How often the message failed at a consumer; 0 where that is not counted. */
  failuresOf(offset: number): number;
  /** How often the message was at a consumer before and came back, failed or not; 0 where that is not counted. */
  acquisitionsOf(offset: number): number;
}
