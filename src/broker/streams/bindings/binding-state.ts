import type { AnyQueue } from '../../queues/any-queue.ts';
import { type Binding, bindingIdentity } from '../../topology/exchange.ts';

/** Where a binding stands in each partition of the stream that it leads from. */
export interface BindingPosition {
  /** The offset from which it gets records with the other bindings. */
  from: number;
  /** The next offset of its replay (`x-replay-from`); null once it has joined the other bindings. */
  replay: number | null;
  /** A timestamp whose offset is not found yet: `replay` is the lowest that it can be. Otherwise null. */
  sinceMs: number | null;
}

/** How far a binding from a stream is. */
export interface BindingState {
  /** Names it in operations of the journal. */
  readonly number: number;
  readonly streamId: string;
  readonly identity: string;
  readonly isDurable: boolean;
  readonly positions: BindingPosition[];
}

export function identityOf({
  destinationKind,
  destination,
  routingKey,
  arguments: args,
}: Binding<AnyQueue>): string {
  return bindingIdentity(destinationKind, destination.name, routingKey, args);
}

/** In a partition that is newer than the binding. */
const FROM_THE_START: BindingPosition = { from: 0, replay: null, sinceMs: null };

export function positionIn(state: BindingState, partition: number): BindingPosition {
  return state.positions[partition] ?? FROM_THE_START;
}
