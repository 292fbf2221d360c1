import { randomInt } from 'node:crypto';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { ConnectionLifetime } from '../connection/lifetime.ts';
import {
  type FetchRequest,
  type FetchTarget,
  newTarget,
  targetKey,
  updateTarget,
} from './fetch-partitions.ts';

const NO_SESSION = 0;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const EPOCH_MAX = 0x7fffffff;
const SESSIONS_MAX = 10_000;
/** Of one connection: clients use one. */
const SESSIONS_OF_CONNECTION_MAX = 4;

/**
 * What a client reads, remembered between its requests (KIP-227): they name only what changes, and the answers only
 * what is new. A session goes with its connection.
 */
export class FetchSession {
  readonly id: number;
  readonly isById: boolean;
  /** In the order in which they are served: those that gave something go to the end. */
  readonly targets = new Map<string, FetchTarget>();
  nextEpoch = 1;

  constructor(id: number, isById: boolean) {
    this.id = id;
    this.isById = isById;
  }

  update({ topics, forgottenTopicsData }: FetchRequest): void {
    for (const { topic, topicId, partitions } of forgottenTopicsData) {
      for (const index of partitions) this.targets.delete(targetKey(this.isById, topic, topicId, index));
    }
    for (const { topic, topicId, partitions } of topics) {
      for (const request of partitions) {
        const key = targetKey(this.isById, topic, topicId, request.partition);
        const known = this.targets.get(key);
        if (known === undefined) this.targets.set(key, newTarget(topic, topicId, request));
        else updateTarget(known, request);
      }
    }
  }

  moveToEnd(target: FetchTarget): void {
    const key = targetKey(this.isById, target.topic, target.topicId, target.index);
    if (!this.targets.delete(key)) return;
    this.targets.set(key, target);
  }
}

/** What one request comes to. */
export type FetchPlan =
  | { readonly error: ErrorName }
  | {
      readonly error: null;
      readonly session: FetchSession | null;
      /** Whether the answer leaves out what the client knows already. */
      readonly isIncremental: boolean;
      readonly targets: Iterable<FetchTarget>;
    };

/** All sessions of a server. */
export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>();
  readonly #byConnection = new WeakMap<object, Set<FetchSession>>();

  get count(): number {
    return this.#sessions.size;
  }

  plan(request: FetchRequest, version: number, connection: ConnectionLifetime): FetchPlan {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#end(sessionId, connection);
      const session = sessionEpoch === INITIAL_EPOCH ? this.#begin(version, connection) : null;
      if (session === null) {
        return { error: null, session, isIncremental: false, targets: targetsOf(request) };
      }
      session.update(request);
      return { error: null, session, isIncremental: false, targets: [...session.targets.values()] };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined || !this.#ofConnection(connection).has(session)) {
      return { error: 'FETCH_SESSION_ID_NOT_FOUND' };
    }
    if (sessionEpoch !== session.nextEpoch) return { error: 'INVALID_FETCH_SESSION_EPOCH' };
    if (session.isById !== version >= 13) return { error: 'FETCH_SESSION_TOPIC_ID_ERROR' };
    session.nextEpoch = sessionEpoch === EPOCH_MAX ? 1 : sessionEpoch + 1;
    session.update(request);
    return { error: null, session, isIncremental: true, targets: [...session.targets.values()] };
  }

  /** Null if there are too many: the client then names everything each time. */
  #begin(version: number, connection: ConnectionLifetime): FetchSession | null {
    const own = this.#ofConnection(connection);
    if (this.#sessions.size >= SESSIONS_MAX) return null;
    if (own.size >= SESSIONS_OF_CONNECTION_MAX) {
      const [oldest] = own;
      if (oldest !== undefined) this.#end(oldest.id, connection);
    }
    let id = NO_SESSION;
    while (id === NO_SESSION || this.#sessions.has(id)) id = randomInt(1, EPOCH_MAX);
    const session = new FetchSession(id, version >= 13);
    this.#sessions.set(id, session);
    own.add(session);
    return session;
  }

  #end(id: number, connection: ConnectionLifetime): void {
    const session = this.#sessions.get(id);
    if (session === undefined || !this.#ofConnection(connection).delete(session)) return;
    this.#sessions.delete(id);
  }

  #ofConnection(connection: ConnectionLifetime): Set<FetchSession> {
    let own = this.#byConnection.get(connection);
    if (own === undefined) {
      own = new Set();
      this.#byConnection.set(connection, own);
      const sessions = own;
      connection.onClose(() => {
        for (const session of sessions) this.#sessions.delete(session.id);
        sessions.clear();
      });
    }
    return own;
  }
}

function targetsOf({ topics }: FetchRequest): FetchTarget[] {
  const targets: FetchTarget[] = [];
  for (const { topic, topicId, partitions } of topics) {
    for (const request of partitions) targets.push(newTarget(topic, topicId, request));
  }
  return targets;
}
