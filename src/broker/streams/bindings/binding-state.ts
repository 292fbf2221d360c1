import type { Queue } from '../../queues/queue.ts';
import { type Binding, bindingIdentity } from '../../topology/exchange.ts';

/** Where a binding stands in each partition of the stream that it leads from. */
export interface BindingPosition {
  /** Records below are not for it, or had come to it when it caught up with the others. */
  from: number;
  /** Where it reads by itself what the others were given before; null once it has caught up. */
  replay: number | null;
  /** It still has to be found out where it begins: with this time. Until then `replay` is where it may begin at most. */
  sinceMs: number | null;
}

/** What has to be known of a binding from a stream beside the binding itself. */
export interface BindingState {
  /** What operations in the journal name it by. */
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
}: Binding<Queue>): string {
  return bindingIdentity(destinationKind, destination.name, routingKey, args);
}

/** Of a partition that came after the binding, it gets everything. */
const FROM_THE_START: BindingPosition = { from: 0, replay: null, sinceMs: null };

export function positionIn(state: BindingState, partition: number): BindingPosition {
  return state.positions[partition] ?? FROM_THE_START;
}
