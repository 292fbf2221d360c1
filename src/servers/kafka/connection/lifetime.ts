/** When a connection ends: fetch sessions (KIP-227) and share sessions (KIP-932) end with it. */
export interface ConnectionLifetime {
  readonly isClosed: boolean;
  /** Calls `listener` once, when the connection closes. Returns a function that removes the listener. */
  onClose(listener: () => void): () => void;
}

/** Whose fetch sessions and share sessions they are. */
export interface SessionOwner extends ConnectionLifetime {
  readonly actor: string;
  readonly vhost: string;
}
