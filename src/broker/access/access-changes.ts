import type { Events } from '../events/events.ts';
import { eventsOfAccess } from './access-events.ts';
import type { AccessState } from './access-state.ts';
import type { AccessLog, AccessOperation } from './operations.ts';
import { checkTopicPatterns } from './topic-authorization.ts';
import { checkPatterns } from './user.ts';

export interface ChangeDeps {
  readonly log: AccessLog;
  readonly events: Pick<Events, 'emitByActor'>;
  /** Resolves when all changes so far are as durable as the broker makes them. */
  durable(): Promise<void>;
}

/** @throws BrokerError precondition-failed */
function checkOperation(operation: AccessOperation): void {
  if (operation.op === 'access.permissions.set') {
    const { configure, write, read } = operation;
    checkPatterns({ configure, write, read });
  } else if (operation.op === 'access.topic.set') {
    const { user, vhost, write, read } = operation;
    checkTopicPatterns(user, vhost, { write, read });
  }
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
      // Before anything is in effect or written.
      checkOperation(operation);
      this.#state.apply(operation);
      this.#deps.log.append(operation);
      for (const { name, fields } of events) this.#deps.events.emitByActor(name, fields);
    }
  }

  /** The promise is for the disk. */
  make(...operations: readonly AccessOperation[]): Promise<void> {
    return this.makeAll(operations);
  }

  makeAll(operations: readonly AccessOperation[]): Promise<void> {
    this.apply(operations);
    return this.#deps.durable();
  }
}
