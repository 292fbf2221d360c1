import type { ObjectAccount } from './object-account.ts';
import type { ObjectKind } from './object-kinds.ts';
import type { ObjectQuotas } from './object-quotas.ts';

/** Counts one kind for who keeps some of it, and forgets its oldest where others would be refused. */
export class ObjectCounter {
  readonly #quotas: ObjectQuotas;
  readonly #kind: ObjectKind;
  #account: ObjectAccount | null;
  readonly #vhost: string;
  /** Where nothing else of the user need be there; null where it is. */
  readonly #user: string | null;
  #counted = 0;

  /** For a user, or the account of one who has something else that is counted for as long as the counter is in use. */
  constructor(quotas: ObjectQuotas, kind: ObjectKind, whose: ObjectAccount | string | null, vhost: string) {
    this.#quotas = quotas;
    this.#kind = kind;
    this.#user = typeof whose === 'string' ? whose : null;
    this.#account = typeof whose === 'string' ? quotas.account(whose) : whose;
    this.#vhost = vhost;
  }

  /** Whether the user, or the virtual host, has as many as it may have. */
  get isFull(): boolean {
    return !this.hasRoomFor(1);
  }

  hasRoomFor(count: number): boolean {
    return this.#quotas.hasRoomFor(this.#kind, this.#account, this.#vhost, count);
  }

  /** As it was set last. */
  get count(): number {
    return this.#counted;
  }

  /** There are so many now. */
  set(count: number): void {
    // An account without anything is forgotten: the user may have another one by now.
    if (this.#user !== null && this.#counted === 0) this.#account = this.#quotas.account(this.#user);
    if (count === this.#counted) return;
    this.#quotas.change(this.#kind, this.#account, this.#vhost, count - this.#counted);
    this.#counted = count;
  }
}
