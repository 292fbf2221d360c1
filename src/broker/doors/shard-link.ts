import type { Json } from '../../base/value-json.ts';
import type { FlushScheduler } from './door.ts';
import type { OutboxLink } from './outbox-link.ts';
import type { SharedRoom } from './shared-room.ts';

/** What shards ask each other, and tell each other, beside messages: `op` says what it is about. */
export interface ShardNote {
  readonly op: string;
  readonly [field: string]: Json;
}

/** From this shard to one other. What is sent arrives in order. */
export interface ShardLink {
  readonly peer: number;
  /** Rejects with the BrokerError that the other shard answers with. */
  ask(question: ShardNote): Promise<Json>;
  tell(note: ShardNote): void;
}

/** What a shard does with what others ask and tell it. */
export interface ShardService {
  /** Asked by shard `from`. */
  answer(from: number, question: ShardNote): Promise<Json> | Json;
  told(from: number, note: ShardNote): void;
}

/** Where a broker with several shards has one of them. */
export interface ShardSeat {
  /** From 0; shard 0 has the metadata. */
  readonly number: number;
  readonly count: number;
  /** To all others, by their number; nothing at its own. */
  readonly links: readonly (ShardLink | undefined)[];
  /** Where frames to them are written. */
  readonly rooms: readonly (SharedRoom | undefined)[];
  /** What carries the frames of outboxes to them. */
  readonly outboxLinks: readonly (OutboxLink | undefined)[];
  /** Asked and told from now on. What came before is delivered first. */
  serve(service: ShardService): void;
  /** The shard has a turn from now on. */
  begin(turn: FlushScheduler & { touch(): void }): void;
}
