import type { Broker } from '../broker/broker.ts';

/** What the answers are made from. */
export interface AdminContext {
  readonly broker: Broker;
  /** Of Sluice. */
  readonly version: string;
  readonly startedAtMs: number;
  /** Whose commands these are, in events. */
  readonly actor: string;
  readonly log: AdminLog;
}

export interface AdminLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
