import type { ClientLimits, Quotas } from './quotas.ts';

/**
 * The quotas of one connection. Each method counts what was done and says for how many milliseconds the connection has
 * to be left alone; 0 nearly always, and at no cost as long as there are no quotas.
 */
export class ClientQuota {
  readonly #quotas: Quotas;
  readonly #user: string;
  readonly #clientId: string;
  #limits: ClientLimits | null = null;
  #version = -1;

  constructor(quotas: Quotas, user: string, clientId: string) {
    this.#quotas = quotas;
    this.#user = user;
    this.#clientId = clientId;
  }

  /** Whether there are quotas, be they for others. */
  get isOn(): boolean {
    return this.#quotas.isOn;
  }

  /** Whether the time that is spent on requests has to be measured. */
  get isWorkLimited(): boolean {
    return this.#quotas.isOn && this.#found().work !== null;
  }

  recordProduced(bytes: number): number {
    return this.#quotas.isOn ? (this.#found().produce?.use(bytes, this.#quotas.nowMs) ?? 0) : 0;
  }

  recordFetched(bytes: number): number {
    return this.#quotas.isOn ? (this.#found().fetch?.use(bytes, this.#quotas.nowMs) ?? 0) : 0;
  }

  recordWork(workMs: number): number {
    return this.#quotas.isOn ? (this.#found().work?.use(workMs, this.#quotas.nowMs) ?? 0) : 0;
  }

  #found(): ClientLimits {
    if (this.#limits === null || this.#version !== this.#quotas.version) {
      this.#version = this.#quotas.version;
      this.#limits = this.#quotas.limitsOf(this.#user, this.#clientId);
    }
    return this.#limits;
  }
}
