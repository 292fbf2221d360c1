import type { Clock } from '../../../base/clock.ts';
import { DeadlineTimer } from '../../../base/deadline-timer.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import type { Work } from '../../../base/turn-time.ts';
import type { ObjectAccount } from '../../budget/object-account.ts';
import { GroupError } from '../group-error.ts';
import type { GroupStream, GroupStreams } from '../ports.ts';
import { type AssignedMember, type Assignment, assignShares, isSameAssignment } from './assignor.ts';
import type { ShareGroupElsewhere } from './share-group-elsewhere.ts';
import type { ShareGroupName } from './share-group-names.ts';
import type { ShareReader } from './share-reader.ts';
import type { ShareSettings } from './share-settings.ts';
import { type Names, NO_NAMES, ShareSubscriptions } from './share-subscriptions.ts';

export interface ShareHeartbeat {
  readonly memberId: string;
  /** 0 to join, LEAVE_EPOCH to leave. */
  readonly epoch: number;
  readonly rackId: string | null;
  /** Names of streams; null: as before. */
  readonly subscribed: Iterable<string> | null;
  readonly clientId: string;
  readonly host: string;
  /** Who asks; left out where no user does. */
  readonly user?: string;
}

export interface ShareHeartbeatOutcome {
  readonly epoch: number;
  /** Null: as before. */
  readonly assignment: Assignment | null;
}

export const LEAVE_EPOCH = -1;

export interface ShareMember {
  readonly id: string;
  epoch: number;
  previousEpoch: number;
  rackId: string | null;
  clientId: string;
  host: string;
  subscribed: Names;
  /** As the partitions were divided last. */
  target: Assignment;
  /** What the member was told. */
  assignment: Assignment;
  expiresMs: number;
}

export interface ShareGroupDeps {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly streams: GroupStreams;
  readonly membersMax: number;
  settings(): ShareSettings;
  /** The epoch is another one: for the journal. */
  epochChanged(group: ShareGroup): void;
  /** The group reads this stream from now on, if it did not before. */
  begin(group: ShareGroup, stream: GroupStream): Work<unknown>;
  /** Does the work in turns with others. */
  run(work: Work<void>): Promise<void>;
  /** Members were taken out that are silent. */
  resized(group: ShareGroup): void;
  /** Null where no other shard has partitions, or this one is not shard 0, where the members are. */
  readonly elsewhere: ShareGroupElsewhere | null;
}

const NOTHING: Assignment = new Map();
/** Of a division, or of what is released: they take some microseconds each. */
const STEPS_AT_ONCE_MAX = 500;
/** Of all members together; those that ask for a few are not counted. */
const NAMES_MAX = 200_000;
const NAMES_FREE = 100;

/**
 * Members who share the partitions that they read, and what is known of those partitions. With several shards the members
 * are in shard 0; what is known of a partition is in the shard that has it.
 */
export class ShareGroup implements ShareGroupName {
  readonly vhost: string;
  readonly id: string;
  readonly incarnation: string;
  /** Of the user who began with it; null if that is not known. */
  account: ObjectAccount | null;
  /** Members, as they were counted last. */
  countedMembers = 0;
  /** It was said in the log that it cannot read more partitions. */
  isRefusalLogged = false;
  readonly protocolType = 'share';
  epoch = 0;
  /** Of the division that members have. */
  assignmentEpoch = 0;
  readonly members = new Map<string, ShareMember>();
  /** By the id of the stream and the index of the partition. */
  readonly readers = new Map<string, Map<number, ShareReader>>();
  settings: ShareSettings;
  isRemoved = false;
  readonly #deps: ShareGroupDeps;
  readonly #alarm: DeadlineTimer;
  readonly #subscriptions = new ShareSubscriptions();
  /** Members or streams are others than those of the division that is made, or was made last. */
  #isStale = false;
  #isDividing = false;
  /** The division that is made; null if none was that took longer. */
  #division: Promise<void> | null = null;
  /** The division waits for other shards to begin on their partitions. */
  #isBeginning = false;
  /** By the ids of members of which not all is released yet. */
  readonly #releases = new Map<string, Promise<void>>();

  constructor(name: ShareGroupName, deps: ShareGroupDeps, account: ObjectAccount | null = null) {
    this.vhost = name.vhost;
    this.id = name.id;
    this.incarnation = name.incarnation;
    this.account = account;
    this.#deps = deps;
    this.settings = deps.settings();
    this.#alarm = new DeadlineTimer(deps.scheduler, () => this.#expire());
  }

  get state(): 'Empty' | 'Stable' | 'Dead' {
    if (this.isRemoved) return 'Dead';
    return this.members.size === 0 ? 'Empty' : 'Stable';
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  /** Resolves when the partitions are divided; null if that waits for no other shard. */
  get division(): Promise<void> | null {
    return this.#isBeginning ? this.#division : null;
  }

  /** What is set for the group has changed. */
  configured(): void {
    this.settings = this.#deps.settings();
  }

  /** @throws GroupError unknown-member, fenced-epoch, group-full, invalid-request */
  heartbeat(request: ShareHeartbeat): ShareHeartbeatOutcome {
    if (request.epoch === LEAVE_EPOCH) {
      this.#leave(this.#member(request.memberId));
      return { epoch: LEAVE_EPOCH, assignment: null };
    }
    const names = namesOf(request.subscribed);
    if (names !== null && names.size > NAMES_FREE) this.#checkNames(request.memberId, names.size);
    const member = request.epoch === 0 ? this.#join(request) : this.#known(request);
    const { rackId, clientId, host } = request;
    member.rackId = rackId ?? member.rackId;
    member.clientId = clientId;
    member.host = host;
    const before = member.subscribed;
    if (names !== null) member.subscribed = this.#subscriptions.change(before, names);
    this.#touch(member);
    if (member.subscribed !== before) this.#grow();
    return this.reconcile(member, request);
  }

  /** What the member is told: its epoch, and what it is to read, if that is new or asked for. */
  reconcile(member: ShareMember, request: ShareHeartbeat): ShareHeartbeatOutcome {
    if (member.epoch !== this.epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = this.epoch;
    }
    const isNews = !isSameAssignment(member.assignment, member.target);
    member.assignment = member.target;
    return { epoch: member.epoch, assignment: isNews || isAsking(request) ? member.target : null };
  }

  /** The stream came, went or grew: told so that members need not wait for their next heartbeat to be given new epochs. */
  streamChanged(name: string): void {
    if (this.#subscriptions.has(name)) this.#grow();
  }

  *allReaders(): Iterable<ShareReader> {
    for (const readers of this.readers.values()) yield* readers.values();
  }

  /** What the members hold of partitions of this shard is for others: some partitions at a time, where there are very many. */
  releaseAll(memberIds: readonly string[]): void {
    const work = this.#releasing(memberIds);
    for (let steps = 0; steps < STEPS_AT_ONCE_MAX; steps++) if (work.next().done === true) return;
    const before = memberIds.map((id) => this.#releases.get(id));
    const released = this.#deps
      .run(work)
      .then(() => Promise.all(before))
      .then(() => {
        for (const id of memberIds) if (this.#releases.get(id) === released) this.#releases.delete(id);
      });
    for (const id of memberIds) this.#releases.set(id, released);
  }

  /** Resolves when what the member had is released; null if nothing is left to be. */
  released(memberId: string): Promise<void> | null {
    return this.#releases.get(memberId) ?? null;
  }

  forget(streamId: string): void {
    for (const { share } of this.readers.get(streamId)?.values() ?? []) share.stop();
    this.readers.delete(streamId);
  }

  stop(): void {
    this.#alarm.stop();
    for (const { share } of this.allReaders()) share.stop();
  }

  remove(): void {
    this.isRemoved = true;
    this.members.clear();
    this.stop();
  }

  #join(request: ShareHeartbeat): ShareMember {
    const known = this.members.get(request.memberId);
    if (known !== undefined) return known;
    if (this.members.size >= this.#deps.membersMax) {
      throw new GroupError(
        'group-full',
        `The share group has reached its maximum capacity of ${this.#deps.membersMax} members.`,
      );
    }
    const member: ShareMember = {
      id: request.memberId,
      epoch: 0,
      previousEpoch: 0,
      rackId: request.rackId,
      clientId: request.clientId,
      host: request.host,
      subscribed: NO_NAMES,
      target: NOTHING,
      assignment: NOTHING,
      expiresMs: 0,
    };
    this.members.set(member.id, member);
    return member;
  }

  #known({ memberId, epoch }: ShareHeartbeat): ShareMember {
    const member = this.#member(memberId);
    if (epoch > member.epoch || (epoch < member.epoch && epoch !== member.previousEpoch)) {
      const relation = epoch > member.epoch ? 'greater' : 'smaller';
      throw new GroupError(
        'fenced-epoch',
        `The share group member has a ${relation} member epoch (${epoch}) than the one known by the group coordinator (${member.epoch}). The member must abandon all its partitions and rejoin.`,
      );
    }
    return member;
  }

  #member(memberId: string): ShareMember {
    const member = this.members.get(memberId);
    if (member === undefined) {
      throw new GroupError('unknown-member', `Member ${memberId} is not a member of group ${this.id}.`);
    }
    return member;
  }

  #touch(member: ShareMember): void {
    const nowMs = this.#deps.clock.now();
    member.expiresMs = nowMs + this.settings.sessionTimeoutMs;
    this.#alarm.setFor(member.expiresMs, nowMs);
  }

  #leave(member: ShareMember): void {
    this.#forget(member);
    this.#releaseEverywhere([member.id]);
    this.#grow();
  }

  #forget(member: ShareMember): void {
    this.members.delete(member.id);
    this.#subscriptions.remove(member.subscribed);
  }

  #releaseEverywhere(memberIds: readonly string[]): void {
    this.releaseAll(memberIds);
    this.#deps.elsewhere?.release(this, memberIds);
  }

  *#releasing(memberIds: readonly string[]): Work<void> {
    for (const readers of [...this.readers.values()]) {
      for (const { share } of readers.values()) {
        yield;
        for (const id of memberIds) {
          if (share.inFlight === 0) break;
          share.release(id);
          yield;
        }
      }
    }
  }

  /** They are held against each other, and each has partitions of all that it reads. @throws GroupError invalid-request */
  #checkNames(memberId: string, named: number): void {
    let count = named;
    for (const { id, subscribed } of this.members.values()) if (id !== memberId) count += subscribed.size;
    if (count <= NAMES_MAX) return;
    const text = `the members of the group subscribe to ${count} names together, and may to ${NAMES_MAX}`;
    throw new GroupError('invalid-request', text);
  }

  #expire(): void {
    const nowMs = this.#deps.clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    const silent: ShareMember[] = [];
    for (const member of this.members.values()) {
      if (member.expiresMs <= nowMs) silent.push(member);
      else nextMs = Math.min(nextMs, member.expiresMs);
    }
    if (silent.length > 0) {
      for (const member of silent) this.#forget(member);
      this.#releaseEverywhere(silent.map(({ id }) => id));
      this.#grow();
      this.#deps.resized(this);
    }
    this.#alarm.setFor(nextMs, nowMs);
  }

  /** A new epoch: the partitions are divided anew. */
  #grow(): void {
    this.epoch++;
    this.#deps.epochChanged(this);
    this.#isStale = true;
    if (!this.#isDividing) this.#divide();
  }

  /**
   * Many partitions are divided in turns with others: meanwhile members have what they had, and learn what is new with a
   * later heartbeat.
   */
  #divide(): void {
    const work = this.#dividing();
    for (let steps = 0; steps < STEPS_AT_ONCE_MAX; steps++) {
      const step = work.next();
      if (step.done === true) return;
      if (step.value === undefined) continue;
      this.#divideLater(work, step.value);
      return;
    }
    this.#divideLater(work);
  }

  #divideLater(work: Work<void>, awaited?: Promise<unknown>): void {
    this.#isDividing = true;
    this.#division = this.#deps.run(this.#dividingOn(work, awaited));
  }

  *#dividingOn(begun: Work<void>, awaited: Promise<unknown> | undefined): Work<void> {
    try {
      if (awaited !== undefined) yield awaited;
      yield* begun;
      // Somebody has come or gone meanwhile.
      while (this.#isStale && !this.isRemoved) yield* this.#dividing();
    } finally {
      this.#isDividing = false;
    }
  }

  *#dividing(): Work<void> {
    this.#isStale = false;
    const { epoch } = this;
    const { streams } = this.#deps;
    const idsOf = new Map<Names, readonly string[]>();
    /** How many partitions there were of each stream when the group began on them. */
    const counts = new Map<string, number>();
    const members: AssignedMember[] = [];
    for (const { id, subscribed, target } of [...this.members.values()]) {
      let ids = idsOf.get(subscribed);
      if (ids === undefined) idsOf.set(subscribed, (ids = yield* this.#begin(subscribed, counts)));
      members.push({ id, streams: ids, assignment: target });
      yield;
    }
    if (this.#deps.elsewhere !== null) yield* this.#beginElsewhere(this.#deps.elsewhere, counts.keys());
    const partitionsOf = (id: string): number =>
      Math.min(counts.get(id) ?? 0, streams.byId(id)?.partitions.length ?? 0);
    const assigned = yield* assignShares(members, partitionsOf);
    for (const [id, target] of assigned) {
      const member = this.members.get(id);
      if (member !== undefined && !isSameAssignment(member.target, target)) member.target = target;
      yield;
    }
    this.assignmentEpoch = epoch;
  }

  /** Reads these streams from now on: the ids of those that there are. */
  *#begin(names: Names, counts: Map<string, number>): Work<readonly string[]> {
    const ids: string[] = [];
    for (const name of names) {
      yield;
      const stream = this.#deps.streams.get(this.vhost, name);
      if (stream === undefined) continue;
      ids.push(stream.id);
      if (!counts.has(stream.id)) counts.set(stream.id, stream.partitions.length);
      yield* this.#deps.begin(this, stream);
    }
    return ids;
  }

  /** Members are given partitions of other shards when the group has begun there: what comes from then on is handed out. */
  *#beginElsewhere(elsewhere: ShareGroupElsewhere, streamIds: Iterable<string>): Work<void> {
    const missing: string[] = [];
    for (const id of streamIds) {
      if (elsewhere.isMissing(this, id)) missing.push(id);
      yield;
    }
    if (missing.length === 0) return;
    this.#isBeginning = true;
    yield elsewhere.begin(this, missing);
    this.#isBeginning = false;
  }
}

/** Whether the member wants to know all that it is to read. */
export function isAsking({ epoch, subscribed }: ShareHeartbeat): boolean {
  return epoch === 0 || subscribed !== null;
}

function namesOf(subscribed: Iterable<string> | null): Names | null {
  if (subscribed === null) return null;
  return subscribed instanceof Set ? subscribed : new Set(subscribed);
}
