import type { SnapshotSection } from '../../shard/snapshot-section.ts';

/** Which share group it is: one that is deleted and made again under the same name is another one. */
export interface ShareGroupName {
  readonly vhost: string;
  readonly id: string;
  /** Given to no other group; empty for those of older versions, of which there is one for a name. */
  readonly incarnation: string;
}

/** The user who began with a group, or null. */
type Maker = string | null;

export type ShareGroupOperation =
  | {
      readonly op: 'share-group.create';
      readonly v: string;
      readonly g: string;
      readonly i: string;
      /** The user who began with it; left out if that is not known. */
      readonly u?: string;
    }
  | { readonly op: 'share-group.delete'; readonly v: string; readonly g: string; readonly i: string };

export interface ShareGroupNamesDeps {
  /** Journals a change of metadata, of which all other shards are told. */
  record(operation: Uint8Array): void;
  add(name: ShareGroupName, user: Maker): void;
  remove(name: ShareGroupName): void;
  all(): Iterable<ShareGroupName & { readonly user: Maker }>;
}

/**
 * Which share groups there are. That is metadata, which all shards follow: so a shard knows a group when its members do,
 * and takes nothing that it has of one for that of another one with the same name, whenever it ended.
 */
export class ShareGroupNames implements SnapshotSection {
  readonly prefix = 'share-group';
  readonly #deps: ShareGroupNamesDeps;

  constructor(deps: ShareGroupNamesDeps) {
    this.#deps = deps;
  }

  create({ vhost: v, id: g, incarnation: i }: ShareGroupName, user: Maker): void {
    this.#record({ op: 'share-group.create', v, g, i, ...(user === null ? {} : { u: user }) });
  }

  delete({ vhost: v, id: g, incarnation: i }: ShareGroupName): void {
    this.#record({ op: 'share-group.delete', v, g, i });
  }

  apply(bytes: Uint8Array): void {
    this.#apply(JSON.parse(Buffer.from(bytes).toString('utf8')) as ShareGroupOperation);
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const { vhost: v, id: g, incarnation: i, user } of this.#deps.all()) {
      yield encode({ op: 'share-group.create', v, g, i, ...(user === null ? {} : { u: user }) });
    }
  }

  #record(operation: ShareGroupOperation): void {
    this.#deps.record(encode(operation));
    this.#apply(operation);
  }

  #apply(operation: ShareGroupOperation): void {
    const name = { vhost: operation.v, id: operation.g, incarnation: operation.i };
    if (operation.op === 'share-group.create') this.#deps.add(name, operation.u ?? null);
    else this.#deps.remove(name);
  }
}

function encode(operation: ShareGroupOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}
