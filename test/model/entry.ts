import type { Table } from '../../src/base/value.ts';
import type { Death, Found, Message } from './message.ts';
import type { ModelQueue } from './model-queue.ts';

/** The broker did something else than the model says that it has to. */
export class Difference extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Difference';
  }
}

/** The instant that the model is in. Each operation, and each time that time moves on, is a step of its own. */
export interface Instant {
  nowMs: number;
  step: number;
}

export interface QueueSpec {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly args: Table;
}

export interface ModelConsumer {
  readonly queue: ModelQueue;
  /** Of its channel; closed while nothing may be delivered. */
  readonly gate: { readonly open: boolean };
  readonly prefetch: number;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
  /** Messages that it has not settled. */
  holding: number;
}

/** A message in a queue. */
export interface Entry {
  readonly message: Message;
  readonly copy: string;
  /** What it was published to, the last time. */
  readonly exchange: string;
  readonly key: string;
  readonly deaths: readonly Death[];
  readonly first: string;
  readonly last: string;
  /** How long it may wait by itself: only until it died once. */
  readonly ttlMs: number;
  readonly level: number;
  readonly place: number;
  readonly cameMs: number;
  readonly cameStep: number;
  state: 'ready' | 'unacknowledged' | 'leaving' | 'retrying';
  /** Why it leaves. */
  reason: string;
  failures: number;
  /** When it is, or was, ready again after it waited for another attempt. */
  againMs: number;
  /** Null: the broker stopped in between, and may not know. */
  wasDelivered: boolean | null;
  /** Its transaction is not durable yet. */
  isHeld: boolean;
  /** The copy of it that died to make this one, and where; null for one that was published. */
  readonly from: Entry | null;
  /** What certainly survives a crash: that it is here, and so many failures. */
  isSafe: boolean;
  safeFailures: number;
}

export type Verdict = 'taken' | 'duplicate' | 'refused';

/** What is found in a queue after a restart. */
export interface Recovered {
  readonly found: Found;
  readonly failures: number;
}

/** Of the ledger: see `ledger.ts`. */
export const COLUMNS = [
  'routed',
  'recovered',
  'acknowledged',
  'expired',
  'dropped',
  'deadLettered',
  'purged',
  'lost',
  'delivered',
  'redelivered',
  'refused',
  'duplicates',
] as const;
export type Columns = Record<(typeof COLUMNS)[number], number>;

/** That the message is what it was when it was published, but for the deaths that it died since. */
export function checkContent(queue: string, entry: Entry, found: Found): void {
  const { message, exchange, key, deaths, first, last, ttlMs } = entry;
  const wanted: Found = {
    copy: entry.copy,
    exchange,
    key,
    isBodyRight: true,
    size: message.size,
    priority: message.priority,
    hasTtl: ttlMs !== Infinity,
    deaths,
    first,
    last,
  };
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Difference(`${queue} has changed a message:\n  ${is}, not\n  ${should}`);
}
