import type { Work } from '../../../base/turn-time.ts';
import type { ConsumerMember } from './consumer-member.ts';
import type { ConsumerSurroundings, TargetOwner } from './ports.ts';
import type { Subscriptions } from './subscriptions.ts';
import { Reading } from './target.ts';

/** Of the making of a target; they take some microseconds each. */
const STEPS_AT_ONCE_MAX = 1000;
/** In one operation of the journal. */
const MEMBERS_KEPT_AT_ONCE = 250;

/**
 * The making of a group's target assignment (KIP-848): what each member shall have in the end. There is a new one for
 * each epoch of the group, and when the streams that its members read are others than those it was made for.
 */
export class TargetAssignment {
  /** Says which streams the target was made for; it is in the journal. */
  topicsHash = '';
  readonly #group: TargetOwner;
  readonly #subscriptions: Subscriptions;
  readonly #around: ConsumerSurroundings;
  /** Members with a target that is not in the journal yet. */
  readonly #retargeted = new Set<ConsumerMember>();
  /** Streams may be others than those that the target was made for. */
  #isStale = false;
  /** One is being made, in turns with others. */
  #isBeingMade = false;

  constructor(group: TargetOwner, subscriptions: Subscriptions, around: ConsumerSurroundings) {
    this.#group = group;
    this.#subscriptions = subscriptions;
    this.#around = around;
  }

  /** What members read may be something else, with the same subscriptions. */
  markStale(): void {
    this.#isStale = true;
  }

  forget(member: ConsumerMember): void {
    this.#retargeted.delete(member);
  }

  /**
   * Makes a new target if the present one is not for this epoch, or for other streams. For many members or partitions it
   * is made in turns with others: meanwhile members have what the last one gave to them, and learn what is new with a
   * later heartbeat.
   */
  update(isNewSubscription: boolean): void {
    if (this.#isBeingMade || !(isNewSubscription || this.#isOutdated)) return;
    const work = this.#make();
    for (let steps = 0; steps < STEPS_AT_ONCE_MAX; steps++) if (work.next().done === true) return;
    this.#isBeingMade = true;
    this.#around.run(this.#goOn(work));
  }

  get #isOutdated(): boolean {
    return this.#isStale || this.#group.epoch !== this.#group.targetEpoch;
  }

  *#goOn(begun: Work<void>): Work<void> {
    yield* begun;
    // Somebody has come or gone meanwhile.
    while (this.#isOutdated && this.#group.members.size > 0 && this.#around.isThere()) yield* this.#make();
    this.#isBeingMade = false;
    if (this.#around.isThere()) this.#group.keepChanges();
  }

  *#make(): Work<void> {
    const group = this.#group;
    this.#isStale = false;
    const reading = yield* Reading.of(group.members.values(), this.#subscriptions);
    if (reading.hash !== this.topicsHash) {
      this.topicsHash = reading.hash;
      if (group.epoch === group.targetEpoch) group.bumpEpoch();
    }
    if (group.epoch === group.targetEpoch) return;
    const { epoch } = group;
    group.assignor = reading.assignor;
    for (const [member, target] of yield* reading.divide(group.assignor)) {
      if (group.members.get(member.id) !== member) continue;
      member.target = target;
      this.#retargeted.add(member);
    }
    yield* this.#keepInParts();
    group.setTarget(epoch, this.#retargeted);
    this.#retargeted.clear();
    this.#subscriptions.retain(reading.expressions);
  }

  /**
   * The new targets of many members are several operations of the journal. Until the last one the target is not that of
   * the epoch: were the broker to end between them, another one would be made.
   */
  *#keepInParts(): Work<void> {
    while (this.#retargeted.size > MEMBERS_KEPT_AT_ONCE && this.#around.isThere()) {
      const some: ConsumerMember[] = [];
      for (const member of this.#retargeted) if (some.push(member) === MEMBERS_KEPT_AT_ONCE) break;
      for (const member of some) this.#retargeted.delete(member);
      this.#group.keepMembers(some);
      yield;
    }
  }
}
