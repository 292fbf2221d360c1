import type { Table } from '../../base/value.ts';

export type { QueueDeletion } from '../queues/queue-port.ts';

export interface QueueDeclaration {
  /** Empty: the server makes one up. */
  readonly name: string;
  readonly durable: boolean;
  /** For the declaring connection alone, and gone with it. */
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  /** The user on whose behalf it is, where the arguments name what this user has to have rights on. */
  readonly declaredBy?: string | null;
  /** Who declares it; left out where no user does. */
  readonly user?: string;
  /** What the server makes up is this, if it is given. */
  readonly newName?: string;
  /** The shard of the connection that it comes from; 0 if it is left out. */
  readonly shard?: number;
}

/** Asked on the way, with the name that the queue has or will have; throws what stands against it. */
export interface DeclarationGuard {
  /** Before anything is said about the queue. */
  declaring(name: string): void;
  /** There is none of this name yet. */
  creating(name: string): void;
}
