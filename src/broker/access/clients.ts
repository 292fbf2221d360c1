import type { User } from './user.ts';

/** A connection, or what a protocol has in its place, as far as access is concerned. */
export interface Client {
  readonly user: User;
  /** The name of the virtual host. */
  readonly vhost: string;
  /** What it was given is taken away: lets go of everything in the broker at once, and ends. */
  close(reason: string): void;
}

/** Who is connected. */
export class Clients {
  readonly #byUser = new Map<User, Set<Client>>();
  readonly #byVhost = new Map<string, Set<Client>>();

  add(client: Client): void {
    add(this.#byUser, client.user, client);
    add(this.#byVhost, client.vhost, client);
  }

  delete(client: Client): void {
    remove(this.#byUser, client.user, client);
    remove(this.#byVhost, client.vhost, client);
  }

  ofUser(user: User): ReadonlySet<Client> {
    return this.#byUser.get(user) ?? NONE;
  }

  inVhost(vhost: string): ReadonlySet<Client> {
    return this.#byVhost.get(vhost) ?? NONE;
  }
}

const NONE: ReadonlySet<Client> = new Set();

function add<K>(sets: Map<K, Set<Client>>, key: K, client: Client): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([client]));
  else set.add(client);
}

function remove<K>(sets: Map<K, Set<Client>>, key: K, client: Client): void {
  const set = sets.get(key);
  set?.delete(client);
  if (set?.size === 0) sets.delete(key);
}
