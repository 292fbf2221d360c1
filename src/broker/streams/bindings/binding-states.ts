import type { AnyQueue } from '../../queues/any-queue.ts';
import { type Binding, isDurable } from '../../topology/exchange.ts';
import { type BindingPosition, type BindingState, identityOf } from './binding-state.ts';
import type { FeedOperation } from './feed-operations.ts';

/** The states of all bindings from streams. They are keyed by the binding's fields, as recovery makes the binding anew. */
export class BindingStates {
  readonly #byBinding = new Map<string, BindingState>();
  readonly #byNumber = new Map<number, BindingState>();
  /** Saves making the key of a binding for each message. */
  readonly #known = new WeakMap<Binding<AnyQueue>, BindingState>();
  #nextNumber = 1;

  get(streamId: string, binding: Binding<AnyQueue>): BindingState | undefined {
    const known = this.#known.get(binding);
    if (known !== undefined) return known;
    const state = this.#byBinding.get(keyOf(streamId, identityOf(binding)));
    if (state !== undefined) this.#known.set(binding, state);
    return state;
  }

  /** Returns the operation to journal; null for a binding that is not durable. */
  add(streamId: string, binding: Binding<AnyQueue>, positions: BindingPosition[]): FeedOperation | null {
    const state: BindingState = {
      number: this.#nextNumber++,
      streamId,
      identity: identityOf(binding),
      isDurable: isDurable(binding),
      positions,
    };
    this.#put(state);
    this.#known.set(binding, state);
    return state.isDurable ? operationOf(state) : null;
  }

  remove(streamId: string, binding: Binding<AnyQueue>): BindingState | undefined {
    const state = this.#byBinding.get(keyOf(streamId, identityOf(binding)));
    if (state !== undefined) this.#drop(state);
    return state;
  }

  removeStream(streamId: string): void {
    for (const state of [...this.#byNumber.values()]) if (state.streamId === streamId) this.#drop(state);
  }

  apply(operation: FeedOperation): void {
    if (operation.op === 'view.bind') {
      const { n: number, id: streamId, binding: identity } = operation;
      const positions = operation.positions.map(([from, replay, sinceMs]) => ({ from, replay, sinceMs }));
      this.#put({ number, streamId, identity, isDurable: true, positions });
      return;
    }
    if (operation.op === 'view.fed' || operation.op === 'view.queue') return;
    const state = this.#byNumber.get(operation.n);
    if (state === undefined) return;
    if (operation.op === 'view.unbind') {
      this.#drop(state);
      return;
    }
    const position = state.positions[operation.p];
    if (position === undefined) return;
    position.sinceMs = null;
    position.replay = operation.op === 'view.joined' ? null : operation.to;
    if (operation.op === 'view.joined') position.from = operation.from;
  }

  *snapshot(): Iterable<FeedOperation> {
    for (const state of this.#byNumber.values()) if (state.isDurable) yield operationOf(state);
  }

  #put(state: BindingState): void {
    this.#byBinding.set(keyOf(state.streamId, state.identity), state);
    this.#byNumber.set(state.number, state);
    this.#nextNumber = Math.max(this.#nextNumber, state.number + 1);
  }

  #drop(state: BindingState): void {
    this.#byNumber.delete(state.number);
    const key = keyOf(state.streamId, state.identity);
    if (this.#byBinding.get(key) === state) this.#byBinding.delete(key);
  }
}

function keyOf(streamId: string, identity: string): string {
  return `${streamId} ${identity}`;
}

function operationOf({ number, streamId, identity, positions }: BindingState): FeedOperation {
  return {
    op: 'view.bind',
    n: number,
    id: streamId,
    binding: identity,
    positions: positions.map(({ from, replay, sinceMs }) => [from, replay, sinceMs]),
  };
}
