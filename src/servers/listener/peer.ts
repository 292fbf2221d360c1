import type { Socket } from 'node:net';
import { isLoopbackAddress, plainAddress } from './loopback.ts';

/** Who is at the other end of a connection, and where it came in. Behind a proxy: the client, not the proxy. */
export interface Peer {
  /** Of IPv4 or IPv6, as text; empty for a Unix socket. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Whether the client is on this machine. */
  readonly isLoopback: boolean;
}

/** A peer that is connected without a proxy. A Unix socket has no addresses: only this machine reaches it. */
export function peerOf(socket: Socket): Peer {
  const address = plainAddress(socket.remoteAddress);
  return {
    address,
    port: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    isLoopback: address === '' ? socket.localPort === undefined : isLoopbackAddress(address),
  };
}
