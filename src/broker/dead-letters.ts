import type { Table } from '../base/value.ts';
import { FRAME_HEADER_BYTES } from '../log/chunks.ts';
import { MessageParts } from '../log/message-parts.ts';
import { ContentView } from '../log/record-content.ts';
import type { Broker } from './broker.ts';
import { type Death, isCycle, recordDeath } from './deaths.ts';
import type { DeathReason, Departure } from './departures.ts';
import type { PropertyCodec } from './property-codec.ts';
import type { Queue } from './queue.ts';
import { type Targets, targetsIn } from './targets.ts';
import { type Transfer, transfer } from './transfer.ts';

const NOWHERE: Targets = targetsIn([], 0);

/** A message that was refused at the door is in no log that it could be settled in. */
const OUTSIDE = { settle: () => undefined };

/** A letter and where it goes. */
interface Letter {
  readonly targets: Targets;
  readonly content: Buffer;
}

/**
 * Sends messages from queues to dead-letter exchanges. Each moves in one block of the journal, so it is never lost on
 * the way and never there twice. Without such an exchange, or where nothing is bound to it, the message is dropped.
 */
export class DeadLetters {
  readonly #broker: Broker;
  readonly #view = new ContentView();
  readonly #parts = new MessageParts();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** The messages are all in memory. */
  send(queue: Queue, batch: readonly Departure[]): void {
    const { store, turn } = this.#broker;
    const transfers = batch.map(({ lane, offset, reason }): Transfer => {
      const position = lane.log.positionOf(offset);
      const chunk = store.chunks.of(position);
      const at = position >>> 0;
      const start = at + FRAME_HEADER_BYTES;
      const letter = this.#write(queue, reason, chunk.buffer, start, chunk.u32[(at >>> 2) + 2] as number);
      return {
        source: lane,
        offset,
        ...letter,
        // What was read back from a segment was written there to stay.
        persistent: chunk.kind !== 'transient',
        timestampMs: turn.nowMs,
      };
    });
    queue.ledger.deadLettered += transfers.length;
    transfer(this.#broker, transfers);
    this.#parts.clear();
  }

  /** A message that a full queue did not take. */
  sendRefused(queue: Queue, parts: MessageParts, persistent: boolean): void {
    const content = Buffer.allocUnsafe(parts.contentBytes());
    parts.write(content, 0);
    const letter = this.#write(queue, 'maxlen', content, 0, content.length);
    const timestampMs = this.#broker.turn.nowMs;
    transfer(this.#broker, [{ source: OUTSIDE, offset: 0, ...letter, persistent, timestampMs }]);
    this.#parts.clear();
  }

  #write(queue: Queue, reason: DeathReason, buffer: Buffer, start: number, length: number): Letter {
    const view = this.#view;
    view.parse(buffer, start, length);
    const codec = this.#broker.codecs.of(view.sourceProtocol);
    const headers = codec?.headers(buffer, view.propertiesStart, view.propertiesEnd) ?? null;
    const { deadLetterExchange, deadLetterRoutingKey } = queue.settings;
    const key = buffer.toString('utf8', Math.max(0, view.keyStart), Math.max(0, view.keyEnd));
    const death: Death = {
      queue: queue.name,
      reason,
      exchange: buffer.toString('utf8', Math.max(0, view.exchangeStart), Math.max(0, view.exchangeEnd)),
      routingKeys: [key, ...copiesOf(headers)],
      timeMs: this.#broker.turn.nowMs,
      expiration: codec?.property(buffer, view.propertiesStart, view.propertiesEnd, 'expiration') ?? null,
    };
    const keys = deadLetterRoutingKey === null ? death.routingKeys : [deadLetterRoutingKey];
    const properties = this.#edit(codec, buffer, headers, death, deadLetterRoutingKey !== null);
    const route = this.#route(queue, deadLetterExchange ?? '', keys, codec, properties);
    const targets = route.queues.filter((target) => !isCycle(headers, death, target.name));
    if (targets.length === 0) return { targets: NOWHERE, content: properties };
    const parts = this.#parts;
    setText(parts, deadLetterExchange ?? '', keys[0] as string);
    parts.body = buffer;
    parts.bodyStart = view.bodyStart;
    parts.bodyEnd = view.bodyEnd;
    parts.properties = properties;
    parts.propertiesStart = 0;
    parts.propertiesEnd = properties.length;
    parts.protocol = view.sourceProtocol;
    parts.priority = view.priority;
    parts.delayMs = route.delayMs;
    const content = Buffer.allocUnsafe(parts.contentBytes());
    parts.write(content, 0);
    return { targets: targetsIn(targets, view.priority), content };
  }

  #edit(
    codec: PropertyCodec | undefined,
    buffer: Buffer,
    headers: Table | null,
    death: Death,
    hasNewKey: boolean,
  ): Buffer {
    const { propertiesStart, propertiesEnd } = this.#view;
    if (codec === undefined) return Buffer.from(buffer.subarray(propertiesStart, propertiesEnd));
    const edit = recordDeath(headers, death);
    return codec.edit(buffer, propertiesStart, propertiesEnd, hasNewKey ? { ...edit, remove: ['CC'] } : edit);
  }

  #route(
    queue: Queue,
    exchangeName: string,
    keys: readonly string[],
    codec: PropertyCodec | undefined,
    properties: Buffer,
  ): { readonly queues: readonly Queue[]; readonly delayMs: number } {
    const vhost = this.#broker.vhost(queue.vhost);
    const exchange = vhost?.findExchange(exchangeName);
    if (vhost === undefined || exchange === undefined) return { queues: [], delayMs: -1 };
    const message = {
      headers: () => codec?.headers(properties, 0, properties.length) ?? null,
      property: (name: 'message-id' | 'correlation-id' | 'timestamp' | 'expiration') =>
        codec?.property(properties, 0, properties.length, name) ?? null,
    };
    return vhost.routeWithKeys(exchange, keys, message);
  }
}

function setText(parts: MessageParts, exchange: string, key: string): void {
  parts.exchange = Buffer.from(exchange, 'utf8');
  parts.exchangeStart = 0;
  parts.exchangeEnd = parts.exchange.length;
  parts.key = Buffer.from(key, 'utf8');
  parts.keyStart = 0;
  parts.keyEnd = parts.key.length;
}

/** The other keys that the message was published with; secret ones were removed then. */
function copiesOf(headers: Table | null): string[] {
  const copies = headers?.CC;
  return Array.isArray(copies) ? copies.filter((key) => typeof key === 'string') : [];
}
