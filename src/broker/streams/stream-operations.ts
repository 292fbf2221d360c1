import type { ProducerStatesState } from './producers/producer-states.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The changes of streams, as they stand in the journal. */
export type StreamOperation =
  | {
      readonly op: 'stream.create';
      readonly vhost: string;
      readonly name: string;
      readonly id: string;
      /** As in `NamedPlaces`, here and below. */
      readonly partitions: readonly number[];
      readonly shards?: readonly number[];
      readonly configs: Readonly<Record<string, string>>;
      /** Who has made it; left out if that is not known, as in what older versions wrote. */
      readonly user?: string;
    }
  | { readonly op: 'stream.delete'; readonly id: string }
  /** `partitions` are those that come in addition. */
  | {
      readonly op: 'stream.extend';
      readonly id: string;
      readonly partitions: readonly number[];
      readonly shards?: readonly number[];
    }
  | {
      readonly op: 'stream.configure';
      readonly id: string;
      readonly configs: Readonly<Record<string, string>>;
    }
  /** In snapshots: what is known of a partition beside its log. `taken`: of one that comes from another shard, if it is here by then. */
  | {
      readonly op: 'stream.partition' | 'stream.taken';
      readonly id: string;
      readonly index: number;
      readonly epochs: readonly number[];
      readonly producers: ProducerStatesState | null;
    };

export function encodeStreamOperation(operation: StreamOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

export function decodeStreamOperation(bytes: Uint8Array): StreamOperation {
  return JSON.parse(UTF8.decode(bytes)) as StreamOperation;
}
