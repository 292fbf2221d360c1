import { BrokerError } from '../errors.ts';
import type { AccessChanges } from './access-changes.ts';
import { type AccessState, userSet } from './access-state.ts';
import type { AccessOperation } from './operations.ts';
import { hashPassword, type PasswordHash } from './password.ts';
import {
  type ScramCredential,
  type ScramCredentials,
  type ScramMechanism,
  scramCredentials,
} from './scram.ts';

/** A password in all the forms in which it is kept. */
export interface KeptPassword {
  readonly password: PasswordHash | null;
  readonly scram: ScramCredentials;
}

/** What the server tells of a credential before there is a proof (RFC 5802, 7: `s` and `i`). */
export interface ScramShape {
  readonly iterations: number;
  readonly saltBytes: number;
}

/** Null: no password is right. */
export async function keptPassword(password: string | null): Promise<KeptPassword> {
  if (password === null) return { password: null, scram: {} };
  const [hash, scram] = await Promise.all([hashPassword(password), scramCredentials(password)]);
  return { password: hash, scram };
}

/** What SCRAM needs of users: to look at and to change, where the password itself is not told. */
export class Credentials {
  readonly #state: AccessState;
  readonly #changes: AccessChanges;
  readonly #shapes = new Map<ScramMechanism, readonly ScramShape[]>();
  #shapesVersion = -1;

  constructor(state: AccessState, changes: AccessChanges) {
    this.#state = state;
    this.#changes = changes;
  }

  of(name: string): ScramCredentials | undefined {
    return this.#state.users.get(name)?.scram;
  }

  /** What those of one mechanism look like from outside, each once: in this the made-up ones of unknown users are like them. */
  shapes(mechanism: ScramMechanism): readonly ScramShape[] {
    if (this.#shapesVersion !== this.#state.version) {
      this.#shapes.clear();
      this.#shapesVersion = this.#state.version;
    }
    let shapes = this.#shapes.get(mechanism);
    if (shapes === undefined) {
      const found = new Map<string, ScramShape>();
      for (const { scram } of this.#state.users.values()) {
        const credential = scram[mechanism];
        if (credential === undefined) continue;
        const { iterations, salt } = credential;
        const saltBytes = Buffer.byteLength(salt, 'base64');
        found.set(`${iterations} ${saltBytes}`, { iterations, saltBytes });
      }
      this.#shapes.set(mechanism, (shapes = [...found.values()]));
    }
    return shapes;
  }

  /** The names of those who have any. */
  names(): string[] {
    return Array.from(this.#state.users.values())
      .filter(({ scram }) => Object.keys(scram).length > 0)
      .map(({ name }) => name);
  }

  /**
   * All of it or nothing. From now on the user's password is the one that `set` was made of: the old one opens no other
   * door any more. A user that is not there is made, with empty permissions in the virtual host: who is let in there, and
   * no more. @throws BrokerError not-found if there are none of those to be deleted
   */
  async alter(
    name: string,
    deleted: readonly ScramMechanism[],
    set: readonly ScramCredential[],
    vhost: string,
  ): Promise<void> {
    const user = this.#state.users.get(name);
    const scram: { [mechanism in ScramMechanism]?: ScramCredential } = { ...user?.scram };
    for (const mechanism of deleted) {
      if (scram[mechanism] === undefined) {
        throw new BrokerError('not-found', `user '${name}' has no credentials for ${mechanism}`);
      }
      delete scram[mechanism];
    }
    for (const credential of set) {
      delete scram[credential.algorithm];
      scram[credential.algorithm] = credential;
    }
    if (user !== undefined) {
      const password = set.length > 0 ? null : user.password;
      await this.#changes.make({ ...userSet(user), password, scram });
    } else if (set.length > 0) {
      const nothing = { configure: '', write: '', read: '' };
      const operations: AccessOperation[] = [
        { op: 'access.user.set', user: name, password: null, scram, tags: [], limits: {} },
        { op: 'access.permissions.set', user: name, vhost, ...nothing },
      ];
      await this.#changes.makeAll(operations);
    }
  }
}
