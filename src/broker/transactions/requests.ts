import type { ProducerIdentity } from './transactional-producer.ts';

/** Whose transaction it is, as a client says. */
export interface Owner {
  readonly vhost: string;
  readonly id: string;
  readonly identity: ProducerIdentity;
}

export interface InitializeRequest {
  readonly vhost: string;
  readonly id: string;
  readonly timeoutMs: number;
  /** What the client has already, and wants to have renewed (KIP-360); null if it is new. */
  readonly identity: ProducerIdentity | null;
  /** Who asks; left out where no user does. */
  readonly user?: string;
}
