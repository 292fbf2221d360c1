import { randomBytes } from 'node:crypto';
import { SlotMap } from '../../base/slot-map.ts';
import { finished, type TurnTime, type Work, walked } from '../../base/turn-time.ts';
import { ObjectQuotas } from '../budget/object-quotas.ts';
import { BrokerError } from '../errors.ts';
import type { SnapshotSection } from '../shard/snapshot-section.ts';
import { type AnyPartition, ownPartition, ownPartitions } from './any-partition.ts';
import type { Partition, PartitionContext, PartitionState } from './partition.ts';
import { namedPlaces, type PartitionPlace, placesOf } from './partition-place.ts';
import type { PartitionPlacement } from './partition-placement.ts';
import { SimilarNames } from './similar-names.ts';
import { Stream } from './stream.ts';
import { decodeStreamOperation, encodeStreamOperation, type StreamOperation } from './stream-operations.ts';

/** In which shards new partitions are to be: in shard 0, spread over all, or in these, in the order of the partitions. */
export type WantedShards = 'first' | 'spread' | readonly number[];

export interface StreamSpec {
  readonly vhost: string;
  readonly name: string;
  readonly partitions: number;
  /** 'first' unless it is said. */
  readonly shards?: WantedShards;
  /** What is to be set, by Kafka's names; valid. */
  readonly configs: ReadonlyMap<string, string>;
  /** Who makes it; left out where no user does. */
  readonly user?: string;
}

/** Told of each change when it has been made; also of those that recovery repeats. */
export interface StreamObserver {
  streamAdded(stream: Stream): void;
  streamRemoved(stream: Stream): void;
  /** It has more partitions, or other configs. */
  streamChanged?(stream: Stream): void;
  /** Asked before somebody makes one; throws what stands against it. */
  beforeCreate?(spec: StreamSpec): void;
  /** Asked before somebody deletes one; throws what stands against it. */
  beforeDelete?(stream: Stream): void;
}

export interface StreamsDeps {
  readonly context: PartitionContext;
  /** An id for a log that was never used, or this one, which is used from now on. */
  logId(known: number | null): number;
  record(operation: Uint8Array): void;
  /** Where there are several shards. */
  readonly placement?: PartitionPlacement | null;
  /** Another shard makes all changes, and keeps what streams there are. */
  readonly isFollower?: boolean;
  /** Whether the partition with this log was here, and was moved to another shard. */
  hasLeft?(logId: number): boolean;
  /** Topic configs that hold for streams with nothing of their own; empty if nothing was set for the broker. */
  defaults(): ReadonlyMap<string, string>;
  /** Without them nothing is limited. */
  readonly quotas?: ObjectQuotas;
  /** Without it a stream is removed at once, however many partitions it has. */
  readonly turnTime?: TurnTime;
}

/** Each partition is a file, and a place in every snapshot. */
export const partitionsMax = 10_000;

/** All streams of a broker, by virtual host and name. Changes are made and journaled without waiting. */
export class Streams implements SnapshotSection {
  readonly prefix = 'stream';
  readonly #deps: StreamsDeps;
  readonly #byVhost = new Map<string, SlotMap<string, Stream>>();
  readonly #byId = new SlotMap<string, Stream>();
  readonly #similar = new SimilarNames();
  readonly #observers: StreamObserver[] = [];
  readonly #quotas: ObjectQuotas;

  constructor(deps: StreamsDeps) {
    this.#deps = deps;
    this.#quotas = deps.quotas ?? new ObjectQuotas();
  }

  /** Whether shard 0 makes all changes, and this is another one. */
  get isFollower(): boolean {
    return this.#deps.isFollower === true;
  }

  /** Told of what is there already, too. */
  observe(observer: StreamObserver): void {
    this.#observers.push(observer);
    for (const stream of this.#byId.values()) observer.streamAdded(stream);
  }

  get(vhost: string, name: string): Stream | undefined {
    return this.#byVhost.get(vhost)?.get(name);
  }

  byId(id: string): Stream | undefined {
    return this.#byId.get(id);
  }

  /** One with a name that differs from this in `.` and `_` alone, or not at all. */
  similar(vhost: string, name: string): Stream | undefined {
    return this.#similar.find(vhost, name);
  }

  list(vhost: string): Stream[] {
    return [...(this.#byVhost.get(vhost)?.values() ?? [])];
  }

  [Symbol.iterator](): IterableIterator<Stream> {
    return this.#byId.values();
  }

  /**
   * `prepared`: what `prepare` has made of the same spec.
   * @throws BrokerError precondition-failed if it is there already; limit-reached, resource-short
   */
  create(spec: StreamSpec, prepared: Stream | null = null): Stream {
    try {
      this.#checkName(spec);
      if (prepared === null) this.#admit(spec);
      for (const observer of this.#observers) observer.beforeCreate?.(spec);
    } catch (error) {
      if (prepared !== null) this.#discard(prepared.partitions, 1, prepared);
      throw error;
    }
    const { vhost, name, partitions, configs, user, shards } = spec;
    const operation: StreamOperation = {
      op: 'stream.create',
      vhost,
      name,
      id: prepared?.id ?? newStreamId(),
      ...namedPlaces(prepared?.partitions ?? this.#newPlaces(partitions, shards)),
      configs: Object.fromEntries(configs),
      ...(user === undefined ? {} : { user }),
    };
    if (prepared === null) {
      this.#record(operation);
      return this.#byId.get(operation.id) as Stream;
    }
    this.#deps.record(encodeStreamOperation(operation));
    this.#add(prepared);
    return prepared;
  }

  /**
   * Makes a stream of many partitions, which is known to nobody until `create` takes it.
   * @throws BrokerError as `create`
   */
  *prepare(spec: StreamSpec): Work<Stream> {
    this.#checkName(spec);
    this.#admit(spec);
    const { vhost, name, partitions, configs, user, shards } = spec;
    const { context, defaults } = this.#deps;
    const owner = { vhost, name, id: newStreamId(), account: this.#quotas.account(user) };
    const stream = new Stream(owner, [], configs, context, defaults);
    const places = this.#newPlaces(partitions, shards);
    this.#count(stream, 1, places, 1);
    for (const place of places) {
      stream.extend([place]);
      yield;
    }
    return stream;
  }

  delete(stream: Stream): void {
    if (stream.isRemoved) return;
    for (const observer of this.#observers) observer.beforeDelete?.(stream);
    this.#record({ op: 'stream.delete', id: stream.id });
  }

  /** With the virtual host goes what is in it. */
  deleteAll(vhost: string): void {
    for (const { id } of this.list(vhost)) this.#record({ op: 'stream.delete', id });
  }

  /**
   * `prepared`: what `preparePartitions` has made for the same total.
   * @throws BrokerError precondition-failed if it would have fewer than now, or too many
   */
  addPartitions(
    stream: Stream,
    total: number,
    prepared: readonly AnyPartition[] | null = null,
    shards: WantedShards = 'first',
  ): void {
    try {
      this.#checkTotal(stream, total);
      if (prepared !== null) this.#checkPrepared(stream, total, prepared);
    } catch (error) {
      if (prepared !== null) this.#discard(prepared, 0, stream);
      throw error;
    }
    const count = total - stream.partitions.length;
    if (count === 0) return;
    if (prepared === null) {
      this.#quotas.admit('partitions', stream.account, stream.vhost, count);
      this.#record({ op: 'stream.extend', id: stream.id, ...namedPlaces(this.#newPlaces(count, shards)) });
      return;
    }
    this.#deps.record(
      encodeStreamOperation({ op: 'stream.extend', id: stream.id, ...namedPlaces(prepared) }),
    );
    stream.join(prepared);
    for (const observer of this.#observers) observer.streamChanged?.(stream);
  }

  /**
   * Makes the partitions that the stream lacks for this total, which are no part of it until `addPartitions` takes them.
   * @throws BrokerError as `addPartitions`
   */
  *preparePartitions(stream: Stream, total: number, shards: WantedShards = 'first'): Work<AnyPartition[]> {
    this.#checkTotal(stream, total);
    const present = stream.partitions.length;
    this.#quotas.admit('partitions', stream.account, stream.vhost, total - present);
    const places = this.#newPlaces(total - present, shards);
    this.#count(stream, 0, places, 1);
    const prepared: AnyPartition[] = [];
    for (const place of places) {
      prepared.push(stream.newPartition(present + prepared.length, place));
      yield;
    }
    return prepared;
  }

  /** `configs` are all that is set from now on; valid. @throws BrokerError resource-short */
  configure(stream: Stream, configs: ReadonlyMap<string, string>): void {
    this.#quotas.admitWrite();
    this.#record({ op: 'stream.configure', id: stream.id, configs: Object.fromEntries(configs) });
  }

  /** Something else is set for the broker: see `StreamsDeps.defaults`. */
  defaultsChanged(): void {
    for (const stream of this.#byId.values()) stream.defaultsChanged();
  }

  apply(operation: Uint8Array): void {
    this.#apply(decodeStreamOperation(operation));
  }

  /** As `apply`, while others go on: there may be very many partitions. */
  *applyInSteps(bytes: Uint8Array): Work<void> {
    const operation = decodeStreamOperation(bytes);
    if (operation.op !== 'stream.create' || this.#byId.has(operation.id)) {
      this.#apply(operation);
      return;
    }
    const { stream, places } = this.#made(operation, []);
    for (const place of places) {
      stream.extend([place]);
      yield;
    }
    this.#count(stream, 1, places, 1);
    this.#add(stream);
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const stream of this.#byId.values()) {
      if (this.#deps.isFollower !== true) yield encodeStreamOperation(created(stream));
      for (const partition of ownPartitions(stream.partitions))
        if (partition.epochs.state().length > 0) yield stateOf('stream.partition', partition);
    }
  }

  /** For shards that follow. */
  *followedIn(vhost: string): Iterable<Uint8Array> {
    for (const stream of this.list(vhost)) yield encodeStreamOperation(created(stream));
  }

  /** Those of this shard, of all streams. */
  *partitions(): Iterable<Partition> {
    for (const { partitions } of this.#byId.values()) yield* ownPartitions(partitions);
  }

  /** Those of all shards. */
  *allPartitions(): Iterable<AnyPartition> {
    for (const { partitions } of this.#byId.values()) yield* partitions;
  }

  #record(operation: StreamOperation): void {
    if (this.isFollower) throw new Error('only shard 0 changes the streams');
    this.#deps.record(encodeStreamOperation(operation));
    this.#apply(operation);
  }

  #apply(operation: StreamOperation): void {
    if (operation.op === 'stream.create') {
      this.#create(operation);
      return;
    }
    const stream = this.#byId.get(operation.id);
    if (stream === undefined) return;
    switch (operation.op) {
      case 'stream.delete':
        this.#byId.delete(stream.id);
        this.#byVhost.get(stream.vhost)?.delete(stream.name);
        this.#similar.remove(stream);
        this.#count(stream, -1, stream.partitions, -1);
        this.#inSteps(stream.remove());
        for (const observer of this.#observers) observer.streamRemoved(stream);
        return;
      case 'stream.extend': {
        const places = placesOf(operation);
        for (const { id } of places) this.#deps.logId(id);
        stream.extend(places);
        this.#count(stream, 0, places, 1);
        for (const observer of this.#observers) observer.streamChanged?.(stream);
        return;
      }
      case 'stream.configure':
        stream.configure(new Map(Object.entries(operation.configs)));
        for (const observer of this.#observers) observer.streamChanged?.(stream);
        return;
      case 'stream.partition':
        this.#restore(stream.partitions[operation.index], operation);
        return;
      case 'stream.taken':
        ownPartition(stream.partitions[operation.index])?.restore(operation);
        return;
    }
  }

  #restore(partition: AnyPartition | undefined, state: PartitionState): void {
    if (partition === undefined) return;
    if (!partition.isRemote) {
      partition.restore(state);
      return;
    }
    const { stream, index, id, shard } = partition;
    if (this.#deps.hasLeft?.(id) === true) return;
    throw new Error(
      `this directory has what is known of partition ${index} of stream '${stream.name}', which is in shard ${shard}: directories of ` +
        'shards were exchanged, or are from different copies. Nothing was removed. Put each back in its place, and start again',
    );
  }

  #create(operation: StreamCreated): void {
    if (this.#byId.has(operation.id)) return;
    const { stream, places } = this.#made(operation, placesOf(operation));
    this.#count(stream, 1, places, 1);
    this.#add(stream);
  }

  /** With the partitions `made` of those that it is to have. */
  #made(
    operation: StreamCreated,
    made: readonly PartitionPlace[],
  ): { readonly stream: Stream; readonly places: readonly PartitionPlace[] } {
    const { vhost, name, id, configs, user } = operation;
    const places = placesOf(operation);
    for (const place of places) this.#deps.logId(place.id);
    const { context, defaults } = this.#deps;
    const account = this.#quotas.account(user);
    const set = new Map(Object.entries(configs));
    return { stream: new Stream({ vhost, name, id, account }, made, set, context, defaults), places };
  }

  #add(stream: Stream): void {
    const streams = this.#byVhost.get(stream.vhost) ?? new SlotMap<string, Stream>();
    this.#byVhost.set(stream.vhost, streams);
    streams.set(stream.name, stream);
    this.#byId.set(stream.id, stream);
    this.#similar.add(stream);
    for (const observer of this.#observers) observer.streamAdded(stream);
  }

  #count(
    { account, vhost }: Stream,
    streams: number,
    places: readonly PartitionPlace[],
    difference: 1 | -1,
  ): void {
    this.#quotas.change('topics', account, vhost, streams);
    this.#quotas.change('partitions', account, vhost, difference * places.length);
    const { placement = null } = this.#deps;
    if (placement !== null) for (const { shard } of places) placement.changed(shard, difference);
  }

  /** What was prepared is not needed after all. */
  #discard(partitions: readonly AnyPartition[], streams: number, stream: Stream): void {
    this.#count(stream, -streams, partitions, -1);
    this.#inSteps(walked(partitions, (partition) => partition.remove()));
  }

  /** Nobody waits for it. What is there now is as it is at recovery if the broker ends before. */
  #inSteps(work: Work<void>): void {
    const { turnTime } = this.#deps;
    if (turnTime === undefined) finished(work);
    else void turnTime.run(work);
  }

  #checkName({ vhost, name }: StreamSpec): void {
    if (this.get(vhost, name) === undefined) return;
    throw new BrokerError('precondition-failed', `stream '${name}' in vhost '${vhost}' exists already`);
  }

  #admit({ vhost, name, partitions, user }: StreamSpec): void {
    this.#checkCount(name, partitions);
    const account = this.#quotas.account(user);
    this.#quotas.admit('topics', account, vhost);
    this.#quotas.admit('partitions', account, vhost, partitions);
  }

  #checkTotal(stream: Stream, total: number): void {
    const present = stream.partitions.length;
    if (total < present) {
      throw new BrokerError(
        'precondition-failed',
        `stream '${stream.name}' has ${present} partitions: they cannot become ${total}`,
      );
    }
    this.#checkCount(stream.name, total);
  }

  #checkPrepared(stream: Stream, total: number, prepared: readonly AnyPartition[]): void {
    if (!stream.isRemoved && stream.partitions.length + prepared.length === total) return;
    throw new BrokerError(
      'precondition-failed',
      `stream '${stream.name}' was changed by somebody else meanwhile`,
    );
  }

  #newPlaces(count: number, wanted: WantedShards = 'first'): PartitionPlace[] {
    const { placement = null, logId } = this.#deps;
    const shards = wanted === 'spread' ? (placement?.place(count) ?? []) : wanted === 'first' ? [] : wanted;
    return Array.from({ length: count }, (_, index) => ({ id: logId(null), shard: shards[index] ?? 0 }));
  }

  #checkCount(name: string, partitions: number): void {
    if (partitions >= 1 && partitions <= partitionsMax) return;
    throw new BrokerError(
      'precondition-failed',
      `stream '${name}' cannot have ${partitions} partitions: 1 to ${partitionsMax} are possible`,
    );
  }
}

type StreamCreated = StreamOperation & { readonly op: 'stream.create' };

function created({ vhost, name, id, partitions, configs, account }: Stream): StreamCreated {
  const user = account?.openName ?? null;
  return {
    op: 'stream.create',
    vhost,
    name,
    id,
    ...namedPlaces(partitions),
    configs: Object.fromEntries(configs),
    ...(user === null ? {} : { user }),
  };
}

function stateOf(
  op: 'stream.partition' | 'stream.taken',
  { stream, index, epochs, producers }: Partition,
): Uint8Array {
  return encodeStreamOperation({
    op,
    id: stream.id,
    index,
    epochs: epochs.state(),
    producers: producers.state(),
  });
}

/** What the snapshot of the shard that takes the partition has of it beside its log. */
export function takenState(partition: Partition): Uint8Array {
  return stateOf('stream.taken', partition);
}

/** None that is all zero, which means 'no id', nor one that looks like an option on a command line. */
function newStreamId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
