import type { Shard } from '../../shard/shard.ts';
import type { StreamExchange } from '../../streams/bindings/stream-exchange.ts';
import type { AttachmentObserver } from '../../streams/bindings/stream-exchanges.ts';
import { namedPlaces } from '../../streams/partition-place.ts';
import type { StreamFacts } from '../../streams/remote-stream.ts';
import type { Stream } from '../../streams/stream.ts';
import { encodeAttachment, encodeDetachment } from './stream-facts.ts';

/** In the shard that has the streams: tells all others what they need to know of them. */
export class Attachments implements AttachmentObserver {
  readonly #shard: Shard;
  readonly #changed: (operation: Uint8Array, block: number) => void;
  /** What was told last, by the id of the stream: most changes of settings are nothing to others. */
  readonly #told = new Map<string, string>();

  /** `changed`: tells the operation when that block is durable. */
  constructor(shard: Shard, changed: (operation: Uint8Array, block: number) => void) {
    this.#shard = shard;
    this.#changed = changed;
  }

  attached(streamExchange: StreamExchange): void {
    const { id } = streamExchange.stream;
    const operation = encodeAttachment(factsOf(streamExchange));
    const text = Buffer.from(operation).toString('latin1');
    if (this.#told.get(id) === text) return;
    this.#told.set(id, text);
    this.#changed(operation, this.#shard.metadataBlock);
  }

  detached(stream: Stream): void {
    this.#told.delete(stream.id);
    this.#changed(encodeDetachment(stream), this.#shard.metadataBlock);
  }
}

export function factsOf(streamExchange: StreamExchange): StreamFacts {
  const { stream, maxMessageBytes, declaredAs } = streamExchange;
  const { vhost, name, id, partitions } = stream;
  return {
    vhost,
    name,
    id,
    ...namedPlaces(partitions),
    maxMessageBytes,
    declaredAs,
  };
}
