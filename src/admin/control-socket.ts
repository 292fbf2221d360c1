import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { AdminService } from './service.ts';

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

export class ControlSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #dataDirectory: string;
  readonly #isElsewhere: boolean;

  /** The data directory is locked for this process: what is left there of another one is of one that is gone. */
  static async listen(dataDirectory: string, service: AdminService): Promise<ControlSocket> {
    const directory = resolve(dataDirectory);
    await removeLeftovers(directory);
    const own = join(directory, SOCKET_FILE);
    const isElsewhere = process.platform !== 'win32' && Buffer.byteLength(own) > SOCKET_PATH_BYTES_MAX;
    let path = process.platform === 'win32' ? pipeName(directory) : own;
    if (isElsewhere) {
      path = join(await mkdtemp(join(tmpdir(), 'sluice-')), SOCKET_FILE);
      await writeFile(join(directory, POINTER_FILE), `${path}\n`, { mode: OWNER_ONLY });
    }
    const server = createServer({ keepAlive: false }, service.handle);
    await listenOn(server, path);
    return new ControlSocket(server, path, directory, isElsewhere);
  }

  private constructor(server: Server, path: string, dataDirectory: string, isElsewhere: boolean) {
    this.#server = server;
    this.path = path;
    this.#dataDirectory = dataDirectory;
    this.#isElsewhere = isElsewhere;
  }

  /** Ends what is still being answered, as streams of events; Node removes the socket. */
  async close(): Promise<void> {
    const { promise, resolve: closed } = Promise.withResolvers<void>();
    this.#server.close(() => closed());
    this.#server.closeAllConnections();
    await promise;
    if (this.#isElsewhere) await removeLeftovers(this.#dataDirectory);
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
  const elsewhere = await pointedTo(directory);
  // Only what was made here is removed, whatever the file says.
  if (elsewhere !== null && dirname(dirname(elsewhere)) === resolve(tmpdir())) {
    await rm(dirname(elsewhere), { recursive: true, force: true });
  }
  await rm(join(directory, POINTER_FILE), { force: true });
  await rm(join(directory, SOCKET_FILE), { force: true });
}

async function pointedTo(directory: string): Promise<string | null> {
  try {
    return (await readFile(join(directory, POINTER_FILE), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function pipeName(directory: string): string {
  const hash = createHash('sha256').update(directory.toLowerCase()).digest('hex').slice(0, 32);
  return `\\\\.\\pipe\\sluice-${hash}`;
}
