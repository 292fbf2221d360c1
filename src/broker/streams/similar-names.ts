import type { Stream } from './stream.ts';

/** Streams by their names with `_` for `.`: Kafka's metric names do not tell these two characters apart. */
export class SimilarNames {
  readonly #streams = new Map<string, Set<Stream>>();

  add(stream: Stream): void {
    const key = keyOf(stream.vhost, stream.name);
    if (key === null) return;
    const streams = this.#streams.get(key);
    if (streams === undefined) this.#streams.set(key, new Set([stream]));
    else streams.add(stream);
  }

  remove(stream: Stream): void {
    const key = keyOf(stream.vhost, stream.name);
    const streams = key === null ? undefined : this.#streams.get(key);
    if (streams?.delete(stream) === true && streams.size === 0) this.#streams.delete(key as string);
  }

  /** One whose name is this, or differs in these characters alone. */
  find(vhost: string, name: string): Stream | undefined {
    const key = keyOf(vhost, name);
    const [found] = (key === null ? undefined : this.#streams.get(key)) ?? [];
    return found;
  }
}

/** Null for a name with neither: it is like no other. */
function keyOf(vhost: string, name: string): string | null {
  return /[._]/.test(name) ? `${vhost}\n${name.replaceAll('.', '_')}` : null;
}
