import { type Work, walked } from '../../../base/turn-time.ts';
import { ObjectCounter } from '../../../broker/budget/object-counter.ts';
import type { ObjectQuotas } from '../../../broker/budget/object-quotas.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import { FETCH_SESSION_EPOCH } from '../../../wire/kafka/constants.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { ConnectionLifetime, SessionOwner } from '../connection/lifetime.ts';

const EPOCH_MAX = 0x7fffffff;
const SESSIONS_MAX = 10_000;
/** A request that names more is held against the limit of its user before they are remembered. */
const PARTITIONS_FREE = 1000;

/** A partition of a share session. */
export interface CachedSharePartition {
  readonly topicId: string;
  readonly index: number;
}

interface WantedTopic {
  readonly topicId: string;
  readonly partitions: readonly { readonly partitionIndex: number }[];
}

interface ForgottenTopic {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

/** The partitions that a member fetches, kept between its requests (KIP-932). It ends with its connection. */
export class ShareSession {
  readonly group: ShareGroup;
  readonly memberId: string;
  readonly connection: ConnectionLifetime;
  /** In the order in which they are read: a partition whose records were acquired moves to the end. */
  readonly partitions = new Map<string, CachedSharePartition>();
  nextEpoch = 1;
  #isEnded = false;
  readonly #counter: ObjectCounter;

  constructor(group: ShareGroup, memberId: string, connection: ConnectionLifetime, counter: ObjectCounter) {
    this.group = group;
    this.memberId = memberId;
    this.connection = connection;
    this.#counter = counter;
  }

  /** False if the user has more partitions in sessions than it may have: the session has to end. */
  *add(topics: readonly WantedTopic[]): Work<boolean> {
    let named = 0;
    yield* walked(topics, ({ partitions }) => {
      named += partitions.length;
    });
    if (named > 0 && !this.#counter.hasRoomFor(named > PARTITIONS_FREE ? named : 0)) return false;
    for (const { topicId, partitions } of topics) {
      for (const { partitionIndex: index } of partitions) {
        const key = partitionKey(topicId, index);
        if (!this.partitions.has(key)) this.partitions.set(key, { topicId, index });
        yield;
      }
      yield;
    }
    this.#count();
    return true;
  }

  *remove(topics: readonly ForgottenTopic[]): Work<void> {
    for (const { topicId, partitions } of topics) {
      yield* walked(partitions, (index) => this.partitions.delete(partitionKey(topicId, index)));
      yield;
    }
    this.#count();
  }

  end(): void {
    this.#isEnded = true;
    this.#counter.set(0);
  }

  /** Its connection may have closed while they were added: nothing would take back what is counted then. */
  #count(): void {
    if (!this.#isEnded) this.#counter.set(this.partitions.size);
  }

  moveToEnd(cached: CachedSharePartition): void {
    const key = partitionKey(cached.topicId, cached.index);
    if (this.partitions.delete(key)) this.partitions.set(key, cached);
  }
}

export function partitionKey(topicId: string, index: number): string {
  return `${topicId}:${index}`;
}

/** All share sessions of a server, one per member. */
export class ShareSessions {
  readonly #quotas: ObjectQuotas;
  readonly #sessions = new Map<ShareGroup, Map<string, ShareSession>>();
  readonly #byConnection = new WeakMap<ConnectionLifetime, Set<ShareSession>>();
  #count = 0;

  constructor(quotas: ObjectQuotas) {
    this.#quotas = quotas;
  }

  /**
   * The session for a request's `share_session_epoch`: a new one for epoch 0, else the member's. With the final epoch, -1,
   * the caller ends it after the acknowledgements of the request.
   */
  at(epoch: number, group: ShareGroup, memberId: string, connection: SessionOwner): ShareSession | ErrorName {
    const known = this.#sessions.get(group)?.get(memberId);
    if (epoch === FETCH_SESSION_EPOCH.INITIAL) {
      if (known !== undefined) this.#forget(known);
      const { actor, vhost } = connection;
      const counter = new ObjectCounter(this.#quotas, 'session-partitions', actor, vhost);
      if (this.#count >= SESSIONS_MAX || counter.isFull) return 'SHARE_SESSION_LIMIT_REACHED';
      return this.#begin(new ShareSession(group, memberId, connection, counter));
    }
    // A client may fetch on one connection and acknowledge on another; the session ends with the one that began it.
    if (known === undefined) return 'SHARE_SESSION_NOT_FOUND';
    if (epoch === FETCH_SESSION_EPOCH.FINAL) return known;
    if (epoch !== known.nextEpoch) return 'INVALID_SHARE_SESSION_EPOCH';
    known.nextEpoch = epoch === EPOCH_MAX ? 1 : epoch + 1;
    return known;
  }

  /** The records that its member has acquired become available to others. */
  end(session: ShareSession): void {
    if (this.#sessions.get(session.group)?.get(session.memberId) !== session) return;
    this.#forget(session);
    session.group.releaseAll([session.memberId]);
  }

  #begin(session: ShareSession): ShareSession {
    const { group, memberId, connection } = session;
    let members = this.#sessions.get(group);
    if (members === undefined) this.#sessions.set(group, (members = new Map()));
    members.set(memberId, session);
    this.#count++;
    let own = this.#byConnection.get(connection);
    if (own === undefined) {
      const sessions = new Set<ShareSession>();
      own = sessions;
      this.#byConnection.set(connection, own);
      connection.onClose(() => {
        for (const each of [...sessions]) this.end(each);
      });
    }
    own.add(session);
    return session;
  }

  #forget(session: ShareSession): void {
    const members = this.#sessions.get(session.group);
    if (members?.delete(session.memberId) !== true) return;
    if (members.size === 0) this.#sessions.delete(session.group);
    this.#count--;
    session.end();
    this.#byConnection.get(session.connection)?.delete(session);
  }
}
