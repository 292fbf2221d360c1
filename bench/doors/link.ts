/** What is measured: ways for bytes from one thread to another. */
import type { MessagePort } from 'node:worker_threads';

export const LINK_NAMES = ['ring', 'port, a buffer for each turn', 'port, a buffer for each frame'] as const;
export type LinkName = (typeof LINK_NAMES)[number];

/** What a side needs of a link; it is sent to the worker. */
export interface LinkEnds {
  readonly name: LinkName;
  readonly side: number;
  readonly bells: SharedArrayBuffer;
  readonly outgoing: SharedArrayBuffer;
  readonly incoming: SharedArrayBuffer;
  readonly port: MessagePort;
}

export type Receive = (buffer: Buffer, start: number, end: number) => void;

/** One side of a link. Both kinds hold as much on the way: a writer waits when that is reached. */
export interface Link {
  /** Copies the payload of a frame to where the other side will read it. False if there is no room. */
  write(payload: Buffer): boolean;
  /** The end of a turn: the other side gets what was written. */
  flush(): void;
  whenRoom(listener: () => void): void;
  close(): void;
}
