/** A request that a server in another shard has for a service of this one. It is answered once, or fails once. */
export interface ServiceRequest {
  /** The number of the shard that asks. */
  readonly from: number;
  /** Nobody else uses this memory. */
  readonly bytes: Buffer;
  /** Nobody waits for the answer any more. */
  readonly isCancelled: boolean;
  /** Called once, if the request is cancelled before it is answered. */
  onCancel(listener: () => void): void;
  /** The pieces stay as they are. `onSent` is called when they need not be held here any more. */
  answer(pieces: readonly Buffer[], onSent?: () => void): void;
  /** `reason` is told to who has asked. */
  fail(reason: string): void;
}

/** What a server does for servers in other shards. */
export type Service = (request: ServiceRequest) => void;

/** A request that is on its way. */
export interface AskedService {
  /** Rejects with a `ServiceError`. */
  readonly answer: Promise<Buffer>;
  /** Nobody waits for the answer any more: it rejects, and the other shard is told. */
  cancel(): void;
}

/** Why there is no answer. */
export class ServiceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ServiceError';
  }
}
