import type { Events } from '../events/events.ts';
import { eventsOfAccess } from './access-events.ts';
import type { AccessState } from './access-state.ts';
import type { AccessLog, AccessOperation } from './operations.ts';

export interface ChangeDeps {
  readonly log: AccessLog;
  readonly events: Pick<Events, 'emitByActor'>;
  /** Resolves when all changes so far are as durable as the broker makes them. */
  durable(): Promise<void>;
}

/** How what is said about access is changed: in effect, in the journal and told at once. */
export class AccessChanges {
  readonly #state: AccessState;
  readonly #deps: ChangeDeps;

  constructor(state: AccessState, deps: ChangeDeps) {
    this.#state = state;
    this.#deps = deps;
  }

  apply(operations: readonly AccessOperation[]): void {
    for (const operation of operations) {
      const events = eventsOfAccess(this.#state, operation);
      // A pattern that is not valid throws here, before anything is written.
      this.#state.apply(operation);
      this.#deps.log.append(operation);
      for (const { name, fields } of events) this.#deps.events.emitByActor(name, fields);
    }
  }

  /** The promise is for the disk. */
  make(...operations: readonly AccessOperation[]): Promise<void> {
    this.apply(operations);
    return this.#deps.durable();
  }
}
