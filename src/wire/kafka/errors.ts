/**
 * Malformed bytes from the peer, or a value of ours that a message cannot carry. The protocol has no answer to a
 * request that cannot be read, so the edge closes the connection. The message says what was being read or written, and
 * at which byte of the frame.
 */
export class KafkaWireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KafkaWireError';
  }
}
