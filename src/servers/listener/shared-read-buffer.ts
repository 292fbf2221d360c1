import { Socket } from 'node:net';

/** What one read takes at most: what Node reads otherwise, and what stays in the processor's cache until it is done with. */
const READ_BYTES = 64 * 1024;

/** The private fields of a socket that Node's option `onread` sets. */
interface UserBuffer {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

const userBuffer = findUserBuffer();
const shared = userBuffer === null ? null : Buffer.allocUnsafeSlow(READ_BYTES);

/** Whether this Node lets sockets share the memory that they are read to. */
export const readsAreShared: boolean = userBuffer !== null;

/**
 * Has what a socket receives handed to `onBytes`, in memory that all sockets share: the bytes are there only until it
 * returns. Without that each read takes 64 KiB of new memory, and the garbage collector, which is told of each, has a
 * quarter of the processor when 100 MB come in a second.
 *
 * Node has the option `onread` for this, but only for sockets that connect, not for those that a server accepts: it is
 * set as Node itself would do. Where that is not possible the socket is read in the usual way. Node 24 has no public way:
 * - `createServer({ onread })` is accepted and has no effect.
 * - `new Socket({ handle, onread })` around what was accepted reads well, but `handle` is no documented option, and is to be
 *   had from the private `_handle` alone; the server goes on to count, and to wait for, the socket that it was taken from.
 * - `new Socket({ fd, onread })` is documented, but the descriptor of an accepted socket is known to its private `_handle`
 *   alone, and two handles would then poll, and close, the one descriptor.
 *
 * Returns how to end it, for whoever hands the socket over to another reader.
 */
export function readShared(socket: Socket, onBytes: (bytes: Buffer) => void): () => void {
  const handle = (socket as { readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } })._handle;
  if (userBuffer === null || shared === null || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', onBytes);
    return () => socket.off('data', onBytes);
  }
  const fields = socket as unknown as { [key: symbol]: unknown };
  // What came before somebody was there to read it.
  const early = socket.read() as Buffer | null;
  fields[userBuffer.buffer] = shared;
  fields[userBuffer.generator] = null;
  const callback = (count: number, buffer: Buffer) => {
    onBytes(buffer.subarray(0, count));
    return true;
  };
  fields[userBuffer.callback] = callback;
  handle.useUserBuffer(shared);
  socket.resume();
  if (early !== null) process.nextTick(onBytes, early);
  return () => {
    if (fields[userBuffer.callback] === callback) fields[userBuffer.callback] = readNothing;
  };
}

const readNothing = () => true;

/** Once the socket is closed: it does not lead to its reader any more. */
export function readNoMore(socket: Socket): void {
  if (userBuffer !== null && userBuffer.callback in socket) {
    (socket as unknown as { [key: symbol]: unknown })[userBuffer.callback] = readNothing;
  }
}

function findUserBuffer(): UserBuffer | null {
  const socket = new Socket({ onread: { buffer: Buffer.alloc(1), callback: () => true } });
  const symbols = Object.getOwnPropertySymbols(socket);
  socket.destroy();
  const named = (name: string) => symbols.find((symbol) => symbol.description === name);
  const buffer = named('kBuffer');
  const callback = named('kBufferCb');
  const generator = named('kBufferGen');
  if (buffer === undefined || callback === undefined || generator === undefined) return null;
  return { buffer, callback, generator };
}
