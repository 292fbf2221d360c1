import type { Broker } from '../broker/broker.ts';

/** What request handlers read: the broker, and what they tell of this process. */
export interface AdminContext {
  readonly broker: Broker;
  readonly version: string;
  readonly startedAtMs: number;
  /** `user_who_performed_action` in the events of what is done here. */
  readonly actor: string;
  readonly log: AdminLog;
}

export interface AdminLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
