/**
 * Resource alarms, as RabbitMQ calls them: while memory or disk is short, publishers are blocked. Each alarm has the
 * name of its resource.
 */
export class ResourceAlarms {
  readonly #raised = new Set<string>();
  readonly #listeners = new Set<() => void>();

  /** The resources that are short. */
  get raised(): ReadonlySet<string> {
    return this.#raised;
  }

  /** Whether publishers are blocked. A field, as it is asked for each message. */
  isBlocking = false;
  /** Whether the disk has nothing left but the reserve: only what frees space is written. */
  isDiskReserved = false;

  /** False if the alarm was in this state already. */
  set(resource: string, isRaised: boolean): boolean {
    if (this.#raised.has(resource) === isRaised) return false;
    if (isRaised) this.#raised.add(resource);
    else this.#raised.delete(resource);
    this.isBlocking = this.#raised.size > 0;
    return true;
  }

  /** Tells the listeners of a change. */
  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Called at each change of `raised`. Returns how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `resume` is called once, when no alarm is left. Returns how to do without that. */
  whenCleared(resume: () => void): () => void {
    const stop = this.onChange(() => {
      if (this.isBlocking) return;
      stop();
      resume();
    });
    return stop;
  }
}
