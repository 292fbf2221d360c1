import type { Socket } from 'node:net';
import { type Peer, proxiedPeer } from './peer.ts';
import { readProxyHeader } from './proxy-protocol.ts';

/**
 * Reads the header of the PROXY protocol from a connection of a trusted proxy. `onPeer` gets whom the proxy stands for,
 * or the proxy if it speaks for itself, or does not know; what came behind the header is left in the socket, which is paused. `onError`
 * gets what is wrong with the header.
 */
export function readProxiedPeer(
  socket: Socket,
  proxy: Peer,
  onPeer: (peer: Peer) => void,
  onError: (error: Error) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    let peer = proxy;
    try {
      const header = readProxyHeader(bytes);
      if (header.kind === 'incomplete') return;
      stop();
      if (header.bytes < bytes.length) socket.unshift(bytes.subarray(header.bytes));
      if (header.kind === 'proxied') peer = proxiedPeer(proxy, header.connection);
      else if (header.kind === 'unknown') peer = { ...proxy, isLoopback: false };
    } catch (error) {
      stop();
      onError(error as Error);
      return;
    }
    onPeer(peer);
  };
  const stop = () => {
    socket.off('data', onData);
    socket.pause();
  };
  socket.on('data', onData);
}
