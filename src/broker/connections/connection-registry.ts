import { BrokerError } from '../errors.ts';
import type { Session } from './connection-info.ts';

/** Who is connected, over all protocols. Servers add a session when its handshake is finished. */
export class Sessions {
  readonly #byId = new Map<number, Session>();
  #nextId = 1;

  /** Returns the session's id from now on; ids are not used again. */
  add(session: Session): number {
    const id = this.#nextId++;
    this.#byId.set(id, session);
    return id;
  }

  remove(id: number): void {
    this.#byId.delete(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byId.values();
  }

  /** The session of this name: it has both ends' addresses, so that no other has it at the same time. */
  find(name: string): Session | undefined {
    for (const session of this) if (session.name === name) return session;
    return undefined;
  }

  /** @throws BrokerError not-found */
  close(id: number, reason: string): void {
    const session = this.#byId.get(id);
    if (session === undefined) throw new BrokerError('not-found', `no connection with id ${id}`);
    session.close(reason);
  }

  /** Closes those that match. Returns how many there were. */
  closeAll(matches: (session: Session) => boolean, reason: string): number {
    const found = [...this].filter(matches);
    for (const session of found) session.close(reason);
    return found.length;
  }
}
