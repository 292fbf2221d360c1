import type { ShareGroupName } from './share-group-names.ts';

/**
 * Changes of share groups, as the journal and the snapshot have them. Vhost and name of the group are `v` and `g`, `i` is its
 * incarnation, which is left out where it is empty.
 */
export type ShareOperation =
  /** Only of shard 0. Older versions made the group with it. */
  | {
      readonly op: 'share.group';
      readonly v: string;
      readonly g: string;
      readonly epoch: number;
      /** The user who began with it; left out if that is not known, as in what older versions wrote. */
      readonly u?: string;
    }
  /** Of older versions: see `ShareGroupNames`. */
  | { readonly op: 'share.delete'; readonly v: string; readonly g: string }
  | ShareStart
  | ShareProgress
  | ShareForget;

/** The group knows nothing of this stream any more. */
export interface ShareForget {
  readonly op: 'share.forget';
  readonly v: string;
  readonly g: string;
  readonly i?: string;
  readonly stream: string;
}

/** A group begins on a partition, or begins anew. */
export interface ShareStart {
  readonly op: 'share.start';
  readonly v: string;
  readonly g: string;
  readonly i?: string;
  /** The id of the stream. */
  readonly stream: string;
  readonly partition: number;
  /** By which its progress is told: never given again. */
  readonly id: number;
  /** Everything below is done with. */
  readonly head: number;
  /** As in `ShareProgress`. */
  readonly s: readonly number[];
  readonly c: readonly number[];
}

/** What changed on one partition. Acknowledgements are many: names are short. */
export interface ShareProgress {
  readonly op: 'share.progress';
  readonly id: number;
  /** What is done with: from, to, from, to, ... */
  readonly s: readonly number[];
  /** How often records were handed out in vain: offset, count, offset, count, ... */
  readonly c: readonly number[];
}

/** The names of a group, as operations have them. */
export function groupNames({ vhost: v, id: g, incarnation: i }: ShareGroupName): {
  readonly v: string;
  readonly g: string;
  readonly i?: string;
} {
  return i === '' ? { v, g } : { v, g, i };
}

/** JSON in UTF-8; `op` comes first, by which the journal's reader finds out whose it is. */
export function encodeShareOperation(operation: ShareOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

export function decodeShareOperation(bytes: Uint8Array): ShareOperation {
  return JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
  ) as ShareOperation;
}
