import type { ObjectAccount } from './object-account.ts';
import type { ObjectKind } from './object-kinds.ts';
import type { ObjectQuotas } from './object-quotas.ts';

/** Counts one kind for who keeps some of it, and forgets its oldest where others would be refused. */
export class ObjectCounter {
  readonly #quotas: ObjectQuotas;
  readonly #kind: ObjectKind;
  readonly #account: ObjectAccount | null;
  readonly #vhost: string;
  #counted = 0;

  constructor(quotas: ObjectQuotas, kind: ObjectKind, account: ObjectAccount | null, vhost: string) {
    this.#quotas = quotas;
    this.#kind = kind;
    this.#account = account;
    this.#vhost = vhost;
  }

  /** Whether the user, or the virtual host, has as many as it may have. */
  get isFull(): boolean {
    return this.#quotas.refusal(this.#kind, this.#account, this.#vhost) !== null;
  }

  /** There are so many now. */
  set(count: number): void {
    this.#quotas.change(this.#kind, this.#account, this.#vhost, count - this.#counted);
    this.#counted = count;
  }
}
