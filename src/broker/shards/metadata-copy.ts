import type { TurnTime, Work } from '../../base/turn-time.ts';
import type { Access } from '../access/access.ts';
import { type AccessOperation, decodeAccessOperation, isAccessOperation } from '../access/operations.ts';
import type { ShardLink, ShardNote } from '../doors/shard-link.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import { isOf, type SnapshotSections } from '../shard/snapshot-section.ts';
import type { Streams } from '../streams/streams.ts';
import { decodeOperation, type MetadataOperation } from '../topology/metadata.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import { number, text } from './command-codec.ts';
import type { FollowedChanges } from './known-metadata.ts';
import type { Owners } from './owners.ts';

/** What shard 0 had when this one began to follow it. */
export interface FollowedMetadata {
  readonly operations: readonly string[];
  /** The last change that the other shards had been told of. */
  readonly number: number;
  /** How many changes of the metadata there had ever been then, as far as they were durable. */
  readonly changes: number;
  /** How many of them shard 0 found in its data directory when it started. */
  readonly recoveredChanges: number;
}

/** All metadata of shard 0, before this shard reads its own journal. Changes are told from then on. */
export async function askForMetadata(link: ShardLink): Promise<FollowedMetadata> {
  const operations: string[] = [];
  for (;;) {
    const page = (await link.ask({ op: 'metadata.follow', from: operations.length })) as {
      readonly operations: readonly string[];
      readonly more: boolean;
      readonly changes: number;
      readonly recoveredChanges: number;
      readonly number: number;
    };
    for (const operation of page.operations) operations.push(operation);
    const { more, number, changes, recoveredChanges } = page;
    if (!more) return { operations, number, changes, recoveredChanges };
  }
}

export interface MetadataCopyDeps {
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly access: Access;
  readonly owners: Owners;
  readonly link: ShardLink;
  readonly known: FollowedChanges;
  readonly turnTime: TurnTime;
  readonly streams: Pick<Streams, 'prefix' | 'applyInSteps'>;
  /** Other sections that all shards have in common. */
  readonly copied: SnapshotSections;
  inBackground(work: Work<void>, what: string): void;
}

/** The metadata of shard 0, followed: each change has the effect here that it had there. */
export class MetadataCopy {
  readonly #deps: MetadataCopyDeps;
  /** The first one is being applied. */
  readonly #notes: ShardNote[] = [];
  /** How many changes of the metadata are known here, of all that there ever were. */
  changes: number;

  constructor(deps: MetadataCopyDeps, changes: number) {
    this.#deps = deps;
    this.changes = changes;
  }

  /** A change that shard 0 tells of. It has its turn when those before it are in effect. */
  told(note: ShardNote): void {
    this.#notes.push(note);
    if (this.#notes.length > 1) return;
    // A change that cannot be applied ends the process: there is no half broker.
    void this.#deps.turnTime.run(this.#applyAll());
  }

  *#applyAll(): Work<void> {
    for (let note = this.#notes[0]; note !== undefined; note = this.#notes[0]) {
      yield* this.#apply(note);
      this.#notes.shift();
    }
  }

  *#apply(note: ShardNote): Work<void> {
    const bytes = Buffer.from(text(note, 'operation'), 'utf8');
    // What is recorded here because of the change names it.
    this.changes = Math.max(this.changes, number(note, 'changes'));
    const { streams, copied } = this.#deps;
    const section = copied.of(bytes);
    if (isAccessOperation(bytes)) this.#applyAccess(decodeAccessOperation(bytes));
    else if (isOf(streams, bytes)) yield* streams.applyInSteps(bytes);
    else if (section !== undefined) section.apply(bytes);
    else yield* this.#applyTopology(decodeOperation(bytes));
    const applied = number(note, 'number');
    this.#deps.link.tell({ op: 'metadata.applied', number: applied });
    this.#deps.known.applied(applied);
  }

  /** Servers remember by which routes a user may publish. */
  #applyAccess(operation: AccessOperation): void {
    const { access, vhosts, inBackground } = this.#deps;
    const deleted = operation.op === 'access.user.delete' ? access.userNamed(operation.user) : undefined;
    access.apply(operation);
    for (const vhost of vhosts) vhost.invalidateRoutes();
    if (deleted !== undefined)
      inBackground(
        access.administration.closeUserInSteps(deleted),
        'to close the connections of a deleted user',
      );
  }

  *#applyTopology(operation: MetadataOperation): Work<void> {
    const { vhosts, access, inBackground } = this.#deps;
    if (operation.op === 'vhost.delete') {
      inBackground(
        access.administration.closeClientsInSteps(operation.vhost),
        'to close the connections of a deleted virtual host',
      );
    }
    const owner =
      operation.op === 'queue.delete'
        ? vhosts.get(operation.vhost)?.findQueue(operation.name)?.exclusiveOwner
        : null;
    yield* vhosts.applyInSteps(operation);
    if (owner != null) this.#forgetOwner(operation.vhost, owner);
  }

  /** Connections of other shards are known for the queues that they have. */
  #forgetOwner(vhost: string, owner: object): void {
    const { vhosts, owners } = this.#deps;
    if (owners.isRemote(owner) && vhosts.get(vhost)?.hasExclusiveQueues(owner) !== true) owners.forget(owner);
  }
}
