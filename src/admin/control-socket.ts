import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { Server as HttpServer, RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readNote, removeNote, writeNote } from '../log/files/note-file.ts';

/**
 * The door for whoever administers the broker on its own machine: HTTP over a socket in the data directory. Who may
 * open that file may do everything; it is for the user alone whom the broker runs as.
 *
 * The kernel takes socket paths of about a hundred bytes only. For a longer one the socket is in the temporary
 * directory, and `control.path` in the data directory says where. On Windows it is a named pipe, whose name is made
 * from the directory's.
 */
const SOCKET_FILE = 'control.sock';
const POINTER_FILE = 'control.path';

/** The smallest of what systems allow, macOS's, with its final zero. */
const SOCKET_PATH_BYTES_MAX = 103;

/** Nobody else. */
const OWNER_ONLY = 0o600;
const UMASK_OWNER_ONLY = 0o077;

/** What answers the requests. It is loaded when the first one comes: until then a broker starts faster without it. */
export type LoadHandler = () => Promise<RequestListener>;

export class ControlSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #load: LoadHandler;
  readonly #sockets = new Set<Socket>();
  #http: Promise<HttpServer> | null = null;
  readonly #dataDirectory: string;
  readonly #isElsewhere: boolean;

  /**
   * This process holds the lock of the data directory: a socket or pointer that lies there is of a broker that has ended.
   * Connections beyond `connectionsMax` are closed at once.
   */
  static async listen(
    dataDirectory: string,
    load: LoadHandler,
    connectionsMax = Number.POSITIVE_INFINITY,
  ): Promise<ControlSocket> {
    const directory = resolve(dataDirectory);
    await removeLeftovers(directory);
    const own = join(directory, SOCKET_FILE);
    const isElsewhere = process.platform !== 'win32' && Buffer.byteLength(own) > SOCKET_PATH_BYTES_MAX;
    let path = process.platform === 'win32' ? pipeName(directory) : own;
    if (isElsewhere) {
      path = join(await mkdtemp(join(tmpdir(), 'sluice-')), SOCKET_FILE);
      await writeNote(join(directory, POINTER_FILE), `${path}\n`);
    }
    // As HTTP's own has it: a client may end its side and still wait for the answer.
    const server = createServer({ allowHalfOpen: true });
    if (connectionsMax < Number.POSITIVE_INFINITY) server.maxConnections = connectionsMax;
    const control = new ControlSocket(server, path, directory, isElsewhere, load);
    await listenOn(server, path);
    return control;
  }

  private constructor(
    server: Server,
    path: string,
    dataDirectory: string,
    isElsewhere: boolean,
    load: LoadHandler,
  ) {
    this.#server = server;
    this.path = path;
    this.#dataDirectory = dataDirectory;
    this.#isElsewhere = isElsewhere;
    this.#load = load;
    server.on('connection', (socket) => this.#accept(socket));
    // As when the process has no descriptor left: whoever administers it tries again.
    server.on('error', () => undefined);
  }

  /** Cuts off responses that still run, such as streams of events; Node removes the socket. */
  async close(): Promise<void> {
    const { promise, resolve: closed } = Promise.withResolvers<void>();
    this.#server.close(() => closed());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
    if (this.#isElsewhere) await removeLeftovers(this.#dataDirectory);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // A client that has gone is no error here, and an 'error' event without a listener would end the process.
    socket.on('error', () => undefined);
    this.#http ??= this.#open();
    this.#http.then(
      (http) => http.emit('connection', socket),
      (error: Error) => socket.destroy(error),
    );
  }

  async #open(): Promise<HttpServer> {
    const [http, handler] = await Promise.all([import('node:http'), this.#load()]);
    return http.createServer(handler);
  }
}

/** Where a broker on this data directory listens, if one does. */
export async function controlSocketPath(dataDirectory: string): Promise<string> {
  const directory = resolve(dataDirectory);
  if (process.platform === 'win32') return pipeName(directory);
  return (await pointedTo(directory)) ?? join(directory, SOCKET_FILE);
}

async function listenOn(server: Server, path: string): Promise<void> {
  const { promise, resolve: listening, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // The socket is made within this call: nobody else may open it for not even a moment.
  const before = process.platform === 'win32' ? null : process.umask(UMASK_OWNER_ONLY);
  try {
    server.listen(path, () => listening());
  } finally {
    if (before !== null) process.umask(before);
  }
  await promise;
  server.off('error', reject);
  if (before !== null) await chmod(path, OWNER_ONLY);
}

async function removeLeftovers(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  // What cannot be read is not what a broker has written there.
  const elsewhere = await pointedTo(directory).catch(() => null);
  // Only what was made here is removed, whatever the file says.
  if (elsewhere !== null && dirname(dirname(elsewhere)) === resolve(tmpdir())) {
    await rm(dirname(elsewhere), { recursive: true, force: true });
  }
  await removeNote(join(directory, POINTER_FILE));
  await removeNote(join(directory, SOCKET_FILE));
}

async function pointedTo(directory: string): Promise<string | null> {
  return (await readNote(join(directory, POINTER_FILE)))?.trim() ?? null;
}

function pipeName(directory: string): string {
  const hash = createHash('sha256').update(directory.toLowerCase()).digest('hex').slice(0, 32);
  return `\\\\.\\pipe\\sluice-${hash}`;
}
