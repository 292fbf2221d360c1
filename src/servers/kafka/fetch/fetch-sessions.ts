import { randomInt } from 'node:crypto';
import type { Work } from '../../../base/turn-time.ts';
import { ObjectCounter } from '../../../broker/budget/object-counter.ts';
import type { ObjectQuotas } from '../../../broker/budget/object-quotas.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { ConnectionLifetime, SessionOwner } from '../connection/lifetime.ts';
import {
  type FetchPartition,
  type FetchRequest,
  newFetchPartition,
  partitionKey,
  updateFetchPartition,
} from './fetch-partitions.ts';

const NO_SESSION = 0;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const EPOCH_MAX = 0x7fffffff;
const SESSIONS_MAX = 10_000;
/** Per connection; clients use one. */
const SESSIONS_OF_CONNECTION_MAX = 4;
/** A request that names more is held against the limit of its user before they are remembered, and not behind. */
const PARTITIONS_FREE = 1000;
const PARTITIONS_PER_STEP = 32;

/**
 * An incremental fetch session (KIP-227): requests name only the partitions that change, responses only those with
 * records or a new high watermark. A session ends with its connection.
 */
export class FetchSession {
  readonly id: number;
  readonly isById: boolean;
  /** In the order in which they are read: a partition whose records were sent moves to the end. */
  readonly partitions = new Map<string, FetchPartition>();
  nextEpoch = 1;
  #isEnded = false;
  readonly #counter: ObjectCounter;

  constructor(id: number, isById: boolean, counter: ObjectCounter) {
    this.id = id;
    this.isById = isById;
    this.#counter = counter;
  }

  /** False if the user has more partitions in sessions than it may have: the session has to end. */
  *update({ topics, forgottenTopicsData }: FetchRequest): Work<boolean> {
    let steps = 0;
    let named = 0;
    for (const { partitions } of topics) {
      named += partitions.length;
      if (++steps % PARTITIONS_PER_STEP === 0) yield;
    }
    if (named > PARTITIONS_FREE && !this.#counter.hasRoomFor(named)) return false;
    for (const { topic, topicId, partitions } of forgottenTopicsData) {
      for (const index of partitions) {
        this.partitions.delete(partitionKey(this.isById, topic, topicId, index));
        if (++steps % PARTITIONS_PER_STEP === 0) yield;
      }
      if (++steps % PARTITIONS_PER_STEP === 0) yield;
    }
    for (const { topic, topicId, partitions } of topics) {
      if (++steps % PARTITIONS_PER_STEP === 0) yield;
      for (const request of partitions) {
        const key = partitionKey(this.isById, topic, topicId, request.partition);
        const known = this.partitions.get(key);
        if (known === undefined) this.partitions.set(key, newFetchPartition(topic, topicId, request));
        else updateFetchPartition(known, request);
        if (++steps % PARTITIONS_PER_STEP === 0) yield;
      }
    }
    // Its connection may have closed meanwhile: nothing would take back what is counted now.
    if (this.#isEnded) return false;
    const isMore = this.partitions.size > this.#counter.count;
    this.#counter.set(this.partitions.size);
    return !isMore || this.#counter.hasRoomFor(0);
  }

  end(): void {
    this.#isEnded = true;
    this.#counter.set(0);
  }

  moveToEnd(partition: FetchPartition): void {
    const key = partitionKey(this.isById, partition.topic, partition.topicId, partition.index);
    if (!this.partitions.delete(key)) return;
    this.partitions.set(key, partition);
  }
}

/** How a Fetch request is served: its session, if any, and its partitions. */
export type FetchPlan =
  | { readonly error: ErrorName }
  | {
      readonly error: null;
      readonly session: FetchSession | null;
      /** The response leaves out partitions without changes. */
      readonly isIncremental: boolean;
      readonly partitions: Iterable<FetchPartition>;
    };

/** All fetch sessions of a server. */
export class FetchSessions {
  readonly #quotas: ObjectQuotas;
  readonly #sessions = new Map<number, FetchSession>();
  readonly #byConnection = new WeakMap<object, Set<FetchSession>>();

  constructor(quotas: ObjectQuotas) {
    this.#quotas = quotas;
  }

  get count(): number {
    return this.#sessions.size;
  }

  *plan(request: FetchRequest, version: number, connection: SessionOwner): Work<FetchPlan> {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#end(sessionId, connection);
      const session = sessionEpoch === INITIAL_EPOCH ? this.#begin(version, connection) : null;
      if (session !== null) {
        if (yield* session.update(request)) {
          return { error: null, session, isIncremental: false, partitions: [...session.partitions.values()] };
        }
        this.#end(session.id, connection);
      }
      const partitions = yield* partitionsOf(request, version >= 13);
      return { error: null, session: null, isIncremental: false, partitions };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined || !this.#ofConnection(connection).has(session)) {
      return { error: 'FETCH_SESSION_ID_NOT_FOUND' };
    }
    if (sessionEpoch !== session.nextEpoch) return { error: 'INVALID_FETCH_SESSION_EPOCH' };
    if (session.isById !== version >= 13) return { error: 'FETCH_SESSION_TOPIC_ID_ERROR' };
    session.nextEpoch = sessionEpoch === EPOCH_MAX ? 1 : sessionEpoch + 1;
    if (!(yield* session.update(request))) {
      this.#end(session.id, connection);
      // The client then sends a full request.
      return { error: 'FETCH_SESSION_ID_NOT_FOUND' };
    }
    return { error: null, session, isIncremental: true, partitions: [...session.partitions.values()] };
  }

  /** Null if there are too many: the client then sends full requests (session id 0). */
  #begin(version: number, connection: SessionOwner): FetchSession | null {
    const own = this.#ofConnection(connection);
    if (this.#sessions.size >= SESSIONS_MAX) return null;
    if (own.size >= SESSIONS_OF_CONNECTION_MAX) {
      const [oldest] = own;
      if (oldest !== undefined) this.#end(oldest.id, connection);
    }
    const { actor, vhost } = connection;
    const counter = new ObjectCounter(this.#quotas, 'session-partitions', actor, vhost);
    if (counter.isFull) return null;
    let id = NO_SESSION;
    while (id === NO_SESSION || this.#sessions.has(id)) id = randomInt(1, EPOCH_MAX);
    const session = new FetchSession(id, version >= 13, counter);
    this.#sessions.set(id, session);
    own.add(session);
    return session;
  }

  #end(id: number, connection: ConnectionLifetime): void {
    const session = this.#sessions.get(id);
    if (session === undefined || !this.#ofConnection(connection).delete(session)) return;
    this.#sessions.delete(id);
    session.end();
  }

  #ofConnection(connection: ConnectionLifetime): Set<FetchSession> {
    let own = this.#byConnection.get(connection);
    if (own === undefined) {
      own = new Set();
      this.#byConnection.set(connection, own);
      const sessions = own;
      connection.onClose(() => {
        for (const session of sessions) {
          this.#sessions.delete(session.id);
          session.end();
        }
        sessions.clear();
      });
    }
    return own;
  }
}

/** One that is named again is answered once, as in Kafka, as it was asked for last. */
function* partitionsOf({ topics }: FetchRequest, isById: boolean): Work<Iterable<FetchPartition>> {
  const byTopic = new Map<string, Map<number, FetchPartition>>();
  let steps = 0;
  for (const { topic, topicId, partitions } of topics) {
    if (++steps % PARTITIONS_PER_STEP === 0) yield;
    const key = isById ? topicId : topic;
    let found = byTopic.get(key);
    if (found === undefined) byTopic.set(key, (found = new Map()));
    for (const request of partitions) {
      const known = found.get(request.partition);
      if (known === undefined) found.set(request.partition, newFetchPartition(topic, topicId, request));
      else updateFetchPartition(known, request);
      if (++steps % PARTITIONS_PER_STEP === 0) yield;
    }
  }
  return allOf(byTopic.values());
}

function* allOf(topics: Iterable<Map<number, FetchPartition>>): Iterable<FetchPartition> {
  for (const partitions of topics) yield* partitions.values();
}
