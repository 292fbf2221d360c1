import type { Socket } from 'node:net';
import { isLoopbackAddress, plainAddress } from './loopback.ts';
import { type Peer, peerOf } from './peer.ts';
import { readProxyHeader } from './proxy-protocol.ts';

/**
 * Reads the header of the PROXY protocol from a connection of a trusted proxy. `onPeer` gets whom the proxy stands for;
 * what came behind the header is left in the socket, which is paused. `onError` gets what is wrong with it.
 */
export function readProxiedPeer(
  socket: Socket,
  onPeer: (peer: Peer) => void,
  onError: (error: Error) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    try {
      const header = readProxyHeader(bytes);
      if (header.kind === 'incomplete') return;
      stop();
      if (header.bytes < bytes.length) socket.unshift(bytes.subarray(header.bytes));
      if (header.kind === 'local') onPeer(peerOf(socket));
      else {
        const { sourceAddress, sourcePort, destinationAddress, destinationPort } = header.connection;
        const address = plainAddress(sourceAddress);
        onPeer({
          address,
          port: sourcePort,
          localAddress: plainAddress(destinationAddress),
          localPort: destinationPort,
          isLoopback: isLoopbackAddress(address),
        });
      }
    } catch (error) {
      stop();
      onError(error as Error);
    }
  };
  const stop = () => {
    socket.off('data', onData);
    socket.pause();
  };
  socket.on('data', onData);
}
