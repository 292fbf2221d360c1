import { BrokerError } from '../errors.ts';
import type { ClientConnection } from './connection-info.ts';

/** Who is connected, over all protocols. Servers add a connection when its handshake is finished. */
export class ConnectionRegistry {
  readonly #byId = new Map<number, ClientConnection>();
  readonly #step: number;
  #nextId: number;

  /** Ids are `firstId` and every `step`th number behind it: those of several shards differ. */
  constructor(firstId = 1, step = 1) {
    this.#nextId = firstId;
    this.#step = step;
  }

  /** Returns the connection's id from now on; ids are not used again. */
  add(connection: ClientConnection): number {
    const id = this.#nextId;
    this.#nextId += this.#step;
    this.#byId.set(id, connection);
    return id;
  }

  remove(id: number): void {
    this.#byId.delete(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): IterableIterator<ClientConnection> {
    return this.#byId.values();
  }

  get(id: number): ClientConnection | undefined {
    return this.#byId.get(id);
  }

  /** Of all connections, or of those in one virtual host. */
  idsIn(vhost: string | null): number[] {
    const ids: number[] = [];
    for (const [id, connection] of this.#byId) if (vhost === null || connection.vhost === vhost) ids.push(id);
    return ids;
  }

  /** The connection of this name: it has both ends' addresses, so that no other has it at the same time. */
  find(name: string): ClientConnection | undefined {
    for (const connection of this) if (connection.name === name) return connection;
    return undefined;
  }

  /** @throws BrokerError not-found */
  close(id: number, reason: string): void {
    const connection = this.#byId.get(id);
    if (connection === undefined) throw new BrokerError('not-found', `no connection with id ${id}`);
    connection.close(reason);
  }

  /** Closes those that match. Returns how many there were. */
  closeAll(matches: (connection: ClientConnection) => boolean, reason: string): number {
    const found = [...this].filter(matches);
    for (const connection of found) connection.close(reason);
    return found.length;
  }
}
