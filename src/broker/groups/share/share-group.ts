import type { Clock } from '../../../base/clock.ts';
import { DeadlineTimer } from '../../../base/deadline-timer.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import type { ObjectAccount } from '../../budget/object-account.ts';
import { GroupError } from '../group-error.ts';
import type { GroupStream, GroupStreams } from '../ports.ts';
import { type Assignment, assignShares, isSameAssignment } from './assignor.ts';
import type { ShareReader } from './share-reader.ts';
import type { ShareSettings } from './share-settings.ts';

export interface ShareHeartbeat {
  readonly memberId: string;
  /** 0 to join, LEAVE_EPOCH to leave. */
  readonly epoch: number;
  readonly rackId: string | null;
  /** Names of streams; null: as before. */
  readonly subscribed: readonly string[] | null;
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
  subscribed: readonly string[];
  /** Of the group's epoch. */
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
  begin(group: ShareGroup, stream: GroupStream): void;
  /** Members were taken out that are silent. */
  resized(group: ShareGroup): void;
}

const NOTHING: Assignment = new Map();

/** Members who share the partitions that they read, and what is known of those partitions. */
export class ShareGroup {
  readonly vhost: string;
  readonly id: string;
  /** Of the user who began with it; null if that is not known. */
  account: ObjectAccount | null;
  /** Members, as they were counted last. */
  countedMembers = 0;
  /** It was said in the log that it cannot read more partitions. */
  isRefusalLogged = false;
  readonly protocolType = 'share';
  epoch = 0;
  readonly members = new Map<string, ShareMember>();
  /** By the id of the stream and the index of the partition. */
  readonly readers = new Map<string, Map<number, ShareReader>>();
  settings: ShareSettings;
  isRemoved = false;
  readonly #deps: ShareGroupDeps;
  readonly #alarm: DeadlineTimer;
  /** The partitions that there were when they were divided. */
  #divided = '';

  constructor(vhost: string, id: string, deps: ShareGroupDeps, account: ObjectAccount | null = null) {
    this.vhost = vhost;
    this.id = id;
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
    const member = request.epoch === 0 ? this.#join(request) : this.#known(request);
    const { rackId, subscribed, clientId, host } = request;
    member.rackId = rackId ?? member.rackId;
    member.clientId = clientId;
    member.host = host;
    const hasNew = subscribed !== null && !isSameSet(subscribed, member.subscribed);
    if (hasNew) member.subscribed = [...new Set(subscribed)].sort();
    this.#touch(member);
    if (hasNew || this.#divided !== this.#present()) this.#divide();
    return this.#reconcile(member, request);
  }

  /** Streams came, went or grew: told so that members need not wait for their next heartbeat to be given new epochs. */
  streamsChanged(): void {
    if (!this.isEmpty && this.#divided !== this.#present()) this.#divide();
  }

  *allReaders(): Iterable<ShareReader> {
    for (const readers of this.readers.values()) yield* readers.values();
  }

  /** What the member holds is for others. */
  releaseAll(memberId: string): void {
    for (const { share } of this.allReaders()) share.release(memberId);
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
      subscribed: [],
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

  #reconcile(member: ShareMember, request: ShareHeartbeat): ShareHeartbeatOutcome {
    if (member.epoch !== this.epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = this.epoch;
    }
    const isNews = !isSameAssignment(member.assignment, member.target);
    member.assignment = member.target;
    const isAsked = request.epoch === 0 || request.subscribed !== null;
    return { epoch: member.epoch, assignment: isNews || isAsked ? member.target : null };
  }

  #leave(member: ShareMember): void {
    this.members.delete(member.id);
    this.releaseAll(member.id);
    this.#divide();
  }

  #expire(): void {
    const nowMs = this.#deps.clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    const silent: ShareMember[] = [];
    for (const member of this.members.values()) {
      if (member.expiresMs <= nowMs) silent.push(member);
      else nextMs = Math.min(nextMs, member.expiresMs);
    }
    for (const { id } of silent) {
      this.members.delete(id);
      this.releaseAll(id);
    }
    if (silent.length > 0) {
      this.#divide();
      this.#deps.resized(this);
    }
    this.#alarm.setFor(nextMs, nowMs);
  }

  /** A new epoch: the partitions are divided anew. */
  #divide(): void {
    this.epoch++;
    const { streams } = this.#deps;
    const members = [...this.members.values()].map((member) => {
      const ids: string[] = [];
      for (const name of member.subscribed) {
        const stream = streams.get(this.vhost, name);
        if (stream === undefined) continue;
        ids.push(stream.id);
        this.#deps.begin(this, stream);
      }
      return { id: member.id, streams: ids, assignment: member.target };
    });
    const assigned = assignShares(members, (id) => streams.byId(id)?.partitions.length ?? 0);
    for (const member of this.members.values()) member.target = assigned.get(member.id) ?? NOTHING;
    this.#divided = this.#present();
    this.#deps.epochChanged(this);
  }

  /** All partitions that somebody reads, as a text. */
  #present(): string {
    const names = new Set<string>();
    for (const { subscribed } of this.members.values()) for (const name of subscribed) names.add(name);
    let text = '';
    for (const name of names) {
      const stream = this.#deps.streams.get(this.vhost, name);
      if (stream !== undefined) text += `${stream.id}:${stream.partitions.length} `;
    }
    return text;
  }
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  const set = new Set(left);
  return set.size === right.length && right.every((each) => set.has(each));
}
