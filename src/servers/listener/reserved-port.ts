import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { DescriptorBudget } from '../../broker/budget/descriptors.ts';

export interface PortOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

/** A port that other threads have too: they listen on it with `SO_REUSEPORT`, or on one descriptor. */
export type SharedPort = (PortOptions & { readonly reusePort: true }) | { readonly fd: number };

/** Half-open connections are found by TCP itself. */
const KEEP_ALIVE_DELAY_MS = 30_000;
const BACKLOG = 1024;
/** More than that are refused until somebody serves them. */
const WAITING_MAX = 1024;

/** The server of a listener, which listens to nothing yet. */
export function createListenerServer(): Server {
  return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS });
}

/** Rejects with the error of the system. */
export async function listenOn(
  server: Server,
  on: PortOptions | SharedPort | { readonly path: string },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ ...on, backlog: BACKLOG }, () => resolve());
  await promise;
  server.off('error', reject);
}

export interface TakenPort {
  readonly server: Server;
  readonly waiting: readonly Socket[];
  readonly isDescriptorShared: boolean;
}

/**
 * Listens no more, and resolves when nobody is connected. A descriptor that other threads have too is not closed: its number
 * may be another file's by the time that they close it. It goes with the process; until then whoever connects is sent away.
 */
export function stopListening(server: Server, isDescriptorShared: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (!isDescriptorShared) server.close(() => resolve());
  else {
    server.removeAllListeners('connection');
    server.on('connection', (socket) => socket.on('error', ignore).destroy());
    server.unref();
    resolve();
  }
  return promise;
}

/**
 * A port that is taken before the data directory is read, so that a start that cannot have it changes nothing there. Who
 * connects waits until a listener takes over; what they send stays in the socket meanwhile. They get only descriptors that
 * the files do not need, from which the broker is being recovered.
 */
export class ReservedPort {
  readonly #server: Server;
  readonly #descriptors: DescriptorBudget;
  readonly #isDescriptorShared: boolean;
  #waiting: Socket[] = [];
  #isTaken = false;

  /** Rejects with the error of the system if it cannot be had. */
  static async open(
    options: PortOptions | SharedPort,
    descriptors = new DescriptorBudget(),
    isDescriptorShared = 'fd' in options,
  ): Promise<ReservedPort> {
    const server = createListenerServer();
    await listenOn(server, options);
    return new ReservedPort(server, descriptors, isDescriptorShared);
  }

  private constructor(server: Server, descriptors: DescriptorBudget, isDescriptorShared: boolean) {
    this.#server = server;
    this.#isDescriptorShared = isDescriptorShared;
    this.#descriptors = descriptors;
    server.on('connection', this.#wait);
    server.on('error', ignore);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** On which another thread can listen too; null where the system has none. */
  get descriptor(): number | null {
    const { _handle: handle } = this.#server as unknown as { readonly _handle?: { readonly fd?: number } };
    return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : null;
  }

  /** The server, for a listener to serve and count from now on, and who has connected already. */
  take(): TakenPort {
    this.#isTaken = true;
    this.#server.off('connection', this.#wait);
    this.#server.off('error', ignore);
    const waiting = this.#waiting.filter((socket) => !socket.destroyed);
    this.#waiting = [];
    for (const socket of waiting) {
      socket.off('close', this.#giveBack);
      this.#giveBack();
    }
    return { server: this.#server, waiting, isDescriptorShared: this.#isDescriptorShared };
  }

  /** Gives the port back, unless somebody serves it. */
  async close(): Promise<void> {
    if (this.#isTaken) return;
    const stopped = stopListening(this.#server, this.#isDescriptorShared);
    for (const socket of this.#waiting) socket.destroy();
    await stopped;
  }

  readonly #wait = (socket: Socket): void => {
    if (this.#waiting.length >= WAITING_MAX || !this.#descriptors.takeForConnection()) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    socket.once('close', this.#giveBack);
    this.#waiting.push(socket);
  };

  readonly #giveBack = (): void => this.#descriptors.giveBack();
}

function ignore(): void {}
