import { ALONE_ROWS, type Row, type Rows } from '../../base/counter.ts';
import type { User } from './user.ts';

/** A connection, or what a protocol has in its place, as far as access is concerned. */
export interface Client {
  readonly user: User;
  /** The name of the virtual host. */
  readonly vhost: string;
  /** What it was given is taken away: lets go of everything in the broker at once, and ends. */
  close(reason: string): void;
}

/** Who is connected to this shard, and how many are to all of them. */
export class Clients {
  readonly #byUser: ClientSets<User>;
  readonly #byVhost: ClientSets<string>;

  constructor(rows: Rows = ALONE_ROWS) {
    this.#byUser = new ClientSets(rows, ({ name }) => `user ${name}`);
    this.#byVhost = new ClientSets(rows, (vhost) => `vhost ${vhost}`);
  }

  add(client: Client): void {
    this.#byUser.add(client.user, client);
    this.#byVhost.add(client.vhost, client);
  }

  delete(client: Client): void {
    this.#byUser.remove(client.user, client);
    this.#byVhost.remove(client.vhost, client);
  }

  /** In this shard. */
  ofUser(user: User): ReadonlySet<Client> {
    return this.#byUser.get(user);
  }

  /** In this shard. */
  inVhost(vhost: string): ReadonlySet<Client> {
    return this.#byVhost.get(vhost);
  }

  /** In all shards. */
  countOfUser(user: User): number {
    return this.#byUser.count(user);
  }

  /** In all shards. */
  countInVhost(vhost: string): number {
    return this.#byVhost.count(vhost);
  }
}

const NONE: ReadonlySet<Client> = new Set();

interface Counted {
  readonly clients: Set<Client>;
  /** What other shards have of the same. */
  readonly row: Row;
}

class ClientSets<K> {
  readonly #rows: Rows;
  readonly #rowName: (key: K) => string;
  readonly #sets = new Map<K, Counted>();

  constructor(rows: Rows, rowName: (key: K) => string) {
    this.#rows = rows;
    this.#rowName = rowName;
  }

  get(key: K): ReadonlySet<Client> {
    return this.#sets.get(key)?.clients ?? NONE;
  }

  count(key: K): number {
    const counted = this.#sets.get(key);
    if (counted === undefined) return this.#rows.others(this.#rowName(key), 0);
    return counted.clients.size + counted.row.others(0);
  }

  add(key: K, client: Client): void {
    let counted = this.#sets.get(key);
    if (counted === undefined) {
      counted = { clients: new Set(), row: this.#rows.claim(this.#rowName(key)) };
      this.#sets.set(key, counted);
    }
    if (counted.clients.has(client)) return;
    counted.clients.add(client);
    counted.row.add(0, 1);
  }

  remove(key: K, client: Client): void {
    const counted = this.#sets.get(key);
    if (counted === undefined || !counted.clients.delete(client)) return;
    counted.row.add(0, -1);
    if (counted.clients.size > 0) return;
    this.#sets.delete(key);
    counted.row.release();
  }
}
