import { DeadlineTimer } from '../../base/deadline-timer.ts';
import { finished } from '../../base/turn-time.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import { ClassicGroup, type ClassicState } from './classic/classic-group.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import { ClassicMembers } from './consumer/classic-members.ts';
import { ConsumerGroup, type ConsumerState } from './consumer/consumer-group.ts';
import { consumerTimes } from './consumer-configs.ts';
import type { MemberAnswers } from './member-answers.ts';
import { downgraded, upgraded } from './migration.ts';
import type { GroupDeps, MemberCodec } from './ports.ts';

/** What a group asks of whoever keeps it. */
export interface GroupOwner {
  readonly codec: MemberCodec;
  readonly answers: MemberAnswers;
  newMemberId(prefix: string): string;
  classicChanged(group: Group): void;
  /** Nothing of it is in the journal, and nobody came. */
  unused(group: Group): void;
  /** Something was done to the group after which it may have more or fewer members or offsets. */
  resized(group: Group): void;
  consumerChanged(group: Group, change: Parameters<ConsumerGroup['restore']>[0]): void;
}

/** Clients that read together, or just a name under which somebody keeps how far it has read. */
export class Group {
  readonly vhost: string;
  readonly id: string;
  /** Of the user who began with it; null if that is not known. */
  account: ObjectAccount | null;
  /** Whether the journal says whose it is. */
  isAccountKept = false;
  /** As they were counted last: see `GroupOwner.resized`. */
  countedMembers = 0;
  countedOffsets = 0;
  readonly offsets = new CommittedOffsets();
  membership: ClassicGroup | ConsumerGroup;
  /** The journal's blocks that the last changes are in: an answer that shows them has to wait for those. */
  membershipBlock = 0;
  offsetsBlock = 0;
  isRemoved = false;
  /** Of a classic group, as it stands in the journal: what goes on since then is not kept. */
  keptMembership: Uint8Array | null = null;
  readonly #deps: GroupDeps;
  readonly #owner: GroupOwner;
  readonly #alarm: DeadlineTimer;
  #classicMembers: ClassicMembers | null = null;

  constructor(
    vhost: string,
    id: string,
    deps: GroupDeps,
    owner: GroupOwner,
    account: ObjectAccount | null = null,
  ) {
    this.vhost = vhost;
    this.id = id;
    this.account = account;
    this.#deps = deps;
    this.#owner = owner;
    this.#alarm = new DeadlineTimer(deps.scheduler, () => this.#tick());
    this.membership = this.#newClassic();
  }

  /** Those that are expected take as much as those that are there. */
  get memberCount(): number {
    const { membership } = this;
    if (this.isRemoved) return 0;
    return membership.type === 'consumer'
      ? membership.members.size
      : membership.roster.size + membership.roster.expected.size;
  }

  get state(): ClassicState | ConsumerState {
    return this.isRemoved ? 'Dead' : this.membership.state;
  }

  /** What its members have in common; empty if it has only offsets. */
  get protocolType(): string {
    return this.membership.type === 'classic' ? this.membership.protocolType : 'consumer';
  }

  /** Of members for which the broker divides the partitions. */
  get consumerTimes(): { readonly sessionMs: number; readonly heartbeatMs: number } {
    const { settings } = this.#deps;
    return consumerTimes(this.#deps.configsOf(this.vhost, this.id), settings);
  }

  /** Nobody is in it, or is expected. */
  get isEmpty(): boolean {
    const { membership } = this;
    return membership.isEmpty && (membership.type === 'consumer' || membership.roster.expected.size === 0);
  }

  /** Null if it is of the other kind, and has members. An empty group is of the kind that is asked for. */
  asClassic(): ClassicGroup | null {
    if (this.membership.type === 'classic') return this.membership;
    if (!this.membership.isEmpty) return null;
    const { epoch, emptySinceMs } = this.membership;
    this.membership = this.#newClassic();
    this.membership.generation = epoch;
    this.membership.emptySinceMs = emptySinceMs;
    return this.membership;
  }

  /** The same; but members of a classic group may come along. */
  asConsumer(): ConsumerGroup | null {
    if (this.membership.type === 'consumer') return this.membership;
    if (!this.membership.isEmpty) return this.#upgrade(this.membership);
    const { generation, emptySinceMs } = this.membership;
    this.membership = this.#newConsumer();
    this.membership.epoch = generation;
    this.membership.targetEpoch = generation;
    this.membership.emptySinceMs = emptySinceMs;
    return this.membership;
  }

  /** For those members of a consumer group that speak as in a classic one. */
  get classicMembers(): ClassicMembers {
    return (this.#classicMembers ??= this.#newClassicMembers());
  }

  /** The last one that spoke as in a consumer group has left others behind. */
  becomeClassicIfAllAre(): void {
    const group = this.membership;
    const { migration } = this.#deps.settings;
    if (group.type !== 'consumer' || group.isEmpty || migration === 'disabled' || migration === 'upgrade')
      return;
    const members = [...group.members.values()];
    if (!members.every(({ classic }) => classic !== null)) return;
    const classic = this.#newClassic();
    classic.restore(downgraded(group, this.classicMembers, this.#owner.codec));
    for (const { id, classic: side } of members) {
      const member = classic.roster.members.get(id);
      if (member !== undefined && side !== null) {
        classic.roster.update(member, { ...member, protocols: side.protocols });
      }
    }
    this.membership = classic;
    this.#classicMembers = null;
    this.#owner.classicChanged(this);
    classic.recovered();
  }

  /** At recovery: it was one then, whatever it had been before. */
  becomeConsumer(): ConsumerGroup {
    if (this.membership.type === 'classic') this.membership = this.#newConsumer();
    this.keptMembership = null;
    return this.membership;
  }

  becomeClassic(): ClassicGroup {
    if (this.membership.type === 'consumer') this.membership = this.#newClassic();
    return this.membership;
  }

  /** All who wait are told; nothing comes after that. */
  remove(): void {
    this.isRemoved = true;
    this.#alarm.stop();
    if (this.membership.type === 'classic') this.membership.end();
  }

  recovered(): void {
    this.membership.recovered();
  }

  stop(): void {
    this.#alarm.stop();
  }

  /** Null if its members have to stay as they are. */
  #upgrade(classic: ClassicGroup): ConsumerGroup | null {
    const { streams, settings } = this.#deps;
    if (settings.migration === 'disabled' || settings.migration === 'downgrade') return null;
    const change = upgraded(classic, this.vhost, streams, this.#owner.codec);
    if (change === null) return null;
    const consumer = this.#newConsumer();
    this.membership = consumer;
    consumer.adopt(change);
    // Those who wait for the others or for the leader do not any more: the broker divides now.
    classic.dissolve();
    return consumer;
  }

  #newClassicMembers(): ClassicMembers {
    return new ClassicMembers({
      group: this.membership as ConsumerGroup,
      vhost: this.vhost,
      streams: this.#deps.streams,
      settings: this.#deps.settings,
      codec: () => this.#owner.codec,
      newId: (prefix) => this.#owner.newMemberId(prefix),
    });
  }

  #newClassic(): ClassicGroup {
    const { settings, clock } = this.#deps;
    return new ClassicGroup({
      settings,
      now: () => clock.monotonicMs(),
      wallMs: () => clock.now(),
      newId: (prefix) => this.#owner.newMemberId(prefix),
      wakeAt: (dueMs) => this.#wakeAt(dueMs),
      give: (answer) => this.#owner.answers.give(answer),
      changed: () => this.#owner.classicChanged(this),
    });
  }

  #newConsumer(): ConsumerGroup {
    this.#classicMembers = null;
    const { settings, streams, clock, turnTime } = this.#deps;
    const consumer: ConsumerGroup = new ConsumerGroup({
      settings,
      streams,
      vhost: this.vhost,
      sessionMs: () => this.consumerTimes.sessionMs,
      now: () => clock.monotonicMs(),
      wallMs: () => clock.now(),
      wakeAt: (dueMs) => this.#wakeAt(dueMs),
      changed: (change) => this.#owner.consumerChanged(this, change),
      run: (work) => {
        if (turnTime === undefined) finished(work);
        else void turnTime.run(work, { protocol: 'Kafka', request: 'assignor of a group', user: '' });
      },
      isThere: () => !this.isRemoved && this.membership === consumer,
    });
    return consumer;
  }

  #wakeAt(dueMs: number): void {
    if (dueMs < Number.POSITIVE_INFINITY) this.#alarm.setFor(dueMs, this.#deps.clock.monotonicMs());
  }

  #tick(): void {
    if (this.isRemoved) return;
    this.#wakeAt(this.membership.tick());
    this.#owner.resized(this);
    const isUnknown = this.membershipBlock === 0 && this.keptMembership === null;
    // Those who were expected have not come: names can be made up without end.
    if (isUnknown && this.isEmpty && this.offsets.isEmpty) this.#owner.unused(this);
  }
}
