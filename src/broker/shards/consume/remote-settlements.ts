import { frameTimestampMs } from '../../../log/memory/chunks.ts';
import { bodyBytesAt, type PriorityLevel } from '../../queues/priority-level.ts';
import type { RemoteSettlement } from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SettlementReceiver } from '../outbox/outboxes.ts';
import type { QueuesById } from '../queues-by-id.ts';
import type { ConsumeService } from './consume-service.ts';

/**
 * What clients of other shards say of deliveries in a tx. A session that has the delivery ends it. After a crash there is none: the
 * message is ready again, and no consumer gets it before it is settled, as the queues wait for that (`DeliveryGate`).
 */
export class RemoteSettlements implements SettlementReceiver {
  readonly #shard: Shard;
  readonly #consumers: Pick<ConsumeService, 'peers'>;
  readonly #queues: Pick<QueuesById, 'levelOf'>;
  /** Messages of one tx are mostly of one queue. */
  #last: PriorityLevel | undefined;

  constructor(shard: Shard, consumers: Pick<ConsumeService, 'peers'>, queues: Pick<QueuesById, 'levelOf'>) {
    this.#shard = shard;
    this.#consumers = consumers;
    this.#queues = queues;
  }

  /** What only its place is known of is looked at, to see that it is the message that was meant. */
  canSettle(from: number, settlement: RemoteSettlement): boolean {
    if (this.#consumers.peers[from]?.hasDelivery(settlement) === true) return true;
    const level = this.#levelToSettle(settlement);
    if (level === null) return true;
    const { log } = level;
    const { offset } = settlement;
    if (log.isCorrupt || log.positionOf(offset) >= 0) return true;
    log.readAhead?.load(offset);
    return false;
  }

  settleRemotely(from: number, settlement: RemoteSettlement): void {
    const sessions = this.#consumers.peers[from];
    if (sessions?.hasDelivery(settlement) === true) {
      sessions.settleInTx(settlement);
      return;
    }
    const level = this.#levelToSettle(settlement);
    if (level === null) return;
    const { offset, publishedMs, outcome } = settlement;
    const position = level.log.positionOf(offset);
    if (position < 0) level.settleUndelivered(offset, -1, outcome === 'ack');
    else this.#settleAt(position, level, offset, publishedMs, outcome === 'ack');
  }

  #settleAt(
    position: number,
    level: PriorityLevel,
    offset: number,
    publishedMs: number,
    isAcknowledged: boolean,
  ): void {
    const chunk = this.#shard.store.chunks.of(position);
    const at = position >>> 0;
    // The message that was meant was lost, and its offset was given to another one. Segments have whole milliseconds.
    if (Math.floor(frameTimestampMs(chunk, at)) !== Math.floor(publishedMs)) return;
    level.settleUndelivered(offset, bodyBytesAt(chunk, at), isAcknowledged);
  }

  /** Null if the message is not there any more, or stays: what came back is ready already, and what was to leave comes again. */
  #levelToSettle({ logId, offset, outcome }: RemoteSettlement): PriorityLevel | null {
    const level = this.#levelOf(logId);
    if (level === undefined || !level.isUndelivered(offset)) return null;
    return outcome === 'ack' || (outcome === 'drop' && !level.deadLetters) ? level : null;
  }

  #levelOf(logId: number): PriorityLevel | undefined {
    const last = this.#last;
    if (last !== undefined && last.log.id === logId && !last.queue.isRemoved) return last;
    this.#last = this.#queues.levelOf(logId);
    return this.#last;
  }
}
