import type { Socket } from 'node:net';
import { isLoopbackAddress, plainAddress } from './loopback.ts';
import type { ProxiedConnection } from './proxy-protocol.ts';

/** Who is at the other end of a connection, and where it came in. Behind a proxy: the client, not the proxy. */
export interface Peer {
  /** Of IPv4 or IPv6, as text; empty for a Unix socket. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Where the client has connected to. */
  readonly localAddress: string;
  readonly localPort: number;
  /** Whether the client is on this machine; of whom a proxy does not know, that is not so. */
  readonly isLoopback: boolean;
}

/** Whoever connects to a Unix socket. */
export const UNIX_PEER: Peer = { address: '', port: 0, localAddress: '', localPort: 0, isLoopback: true };

/** The other end of a TCP connection; null if it is gone already, and has no address any more. */
export function peerOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): Peer | null {
  if (remoteAddress === undefined || localAddress === undefined) return null;
  return makePeer(remoteAddress, remotePort ?? 0, localAddress, localPort ?? 0);
}

/** Whom a proxy stands for. What is 127.0.0.1 to a proxy on another machine is on that machine. */
export function proxiedPeer(proxy: Peer, connection: ProxiedConnection): Peer {
  const { sourceAddress, sourcePort, destinationAddress, destinationPort } = connection;
  const peer = makePeer(sourceAddress, sourcePort, destinationAddress, destinationPort);
  return proxy.isLoopback ? peer : { ...peer, isLoopback: false };
}

function makePeer(remoteAddress: string, port: number, localAddress: string, localPort: number): Peer {
  const address = plainAddress(remoteAddress);
  return {
    address,
    port,
    localAddress: plainAddress(localAddress),
    localPort,
    isLoopback: isLoopbackAddress(address),
  };
}
