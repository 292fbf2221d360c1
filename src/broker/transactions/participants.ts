import type { Owner } from './requests.ts';

/** A producer with partitions of this shard in its open transaction. */
interface Participant {
  readonly owner: Owner;
  /** The ids of their logs. */
  readonly logIds: Set<number>;
}

/** Partitions of all producers together: beyond that, those are forgotten that were told first, and asked for again. */
const PARTITIONS_MAX = 100_000;

/** Which partitions of this shard are in open transactions, as the coordinator in another shard has said. */
export class Participants {
  readonly #byProducer = new Map<number, Participant>();
  readonly #partitionsMax: number;
  #count = 0;

  constructor(partitionsMax = PARTITIONS_MAX) {
    this.#partitionsMax = partitionsMax;
  }

  get size(): number {
    return this.#byProducer.size;
  }

  has({ vhost, id, identity }: Owner, logId: number): boolean {
    const known = this.#byProducer.get(identity.producerId);
    if (known === undefined || known.owner.identity.epoch !== identity.epoch) return false;
    return known.owner.id === id && known.owner.vhost === vhost && known.logIds.has(logId);
  }

  add(owner: Owner, logId: number): void {
    const { producerId, epoch } = owner.identity;
    let known = this.#byProducer.get(producerId);
    if (known === undefined || known.owner.identity.epoch !== epoch) {
      this.ended(producerId);
      known = { owner, logIds: new Set() };
      this.#byProducer.set(producerId, known);
    }
    if (known.logIds.has(logId)) return;
    known.logIds.add(logId);
    this.#count++;
    this.#forgetOldest(producerId);
  }

  /** The transaction of this producer is over, or may be. */
  ended(producerId: number): void {
    this.#count -= this.#byProducer.get(producerId)?.logIds.size ?? 0;
    this.#byProducer.delete(producerId);
  }

  #forgetOldest(but: number): void {
    if (this.#count <= this.#partitionsMax) return;
    for (const producerId of this.#byProducer.keys()) {
      if (producerId !== but) this.ended(producerId);
      if (this.#count <= this.#partitionsMax) return;
    }
  }
}
