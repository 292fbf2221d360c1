import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { DescriptorBudget } from '../../broker/budget/descriptors.ts';

export interface PortOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

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
export async function listenOn(server: Server, on: PortOptions | { readonly path: string }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ ...on, backlog: BACKLOG }, () => resolve());
  await promise;
  server.off('error', reject);
}

/**
 * A port that is taken before the data directory is read, so that a start that cannot have it changes nothing there. Who
 * connects waits until a listener takes over; what they send stays in the socket meanwhile. They get only descriptors that
 * the files do not need, from which the broker is being recovered.
 */
export class ReservedPort {
  readonly #server: Server;
  readonly #descriptors: DescriptorBudget;
  #waiting: Socket[] = [];
  #isTaken = false;

  /** Rejects with the error of the system if it cannot be had. */
  static async open(options: PortOptions, descriptors = new DescriptorBudget()): Promise<ReservedPort> {
    const server = createListenerServer();
    await listenOn(server, options);
    return new ReservedPort(server, descriptors);
  }

  private constructor(server: Server, descriptors: DescriptorBudget) {
    this.#server = server;
    this.#descriptors = descriptors;
    server.on('connection', this.#wait);
    server.on('error', ignore);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The server, for a listener to serve and count from now on, and who has connected already. */
  take(): { readonly server: Server; readonly waiting: readonly Socket[] } {
    this.#isTaken = true;
    this.#server.off('connection', this.#wait);
    this.#server.off('error', ignore);
    const waiting = this.#waiting.filter((socket) => !socket.destroyed);
    this.#waiting = [];
    for (const socket of waiting) {
      socket.off('close', this.#giveBack);
      this.#giveBack();
    }
    return { server: this.#server, waiting };
  }

  /** Gives the port back, unless somebody serves it. */
  async close(): Promise<void> {
    if (this.#isTaken) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#waiting) socket.destroy();
    await promise;
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
