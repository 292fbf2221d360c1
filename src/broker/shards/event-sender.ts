import { type Json, tableFromJson, tableToJson } from '../../base/value-json.ts';
import type { ShardLink } from '../doors/shard-link.ts';
import { BrokerError } from '../errors.ts';
import type { BrokerEvent, Events } from '../events/events.ts';

/** Events that wait for another shard; what comes beyond is lost, and counted. */
const WAITING_MAX = 10_000;
/** Events of one note. */
const BATCH_EVENTS = 200;

/**
 * Sends what happens here to a shard that listens: one note at a time, so that however slowly that shard takes them, no more waits
 * here than `WAITING_MAX`.
 */
export class EventSender {
  readonly #link: ShardLink;
  readonly #stopListening: () => void;
  #waiting: BrokerEvent[] = [];
  #lost = 0;
  #isSending = false;
  #isStopped = false;

  constructor(events: Events, link: ShardLink) {
    this.#link = link;
    this.#stopListening = events.listen((event) => this.#add(event));
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
    this.#stopListening();
  }

  #add(event: BrokerEvent): void {
    if (this.#waiting.length >= WAITING_MAX) this.#lost++;
    else this.#waiting.push(event);
    if (!this.#isSending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What happens in one turn goes together.
    await null;
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const batch = this.#waiting.splice(0, BATCH_EVENTS);
      const lost = this.#lost;
      this.#lost = 0;
      const note = { op: 'admin.events', events: batch.map(encodeEvent), lost };
      try {
        await this.#link.ask(note);
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        // Too much else is asked there.
        this.#lost += batch.length + lost;
      }
    }
    this.#isSending = false;
  }
}

function encodeEvent({ name, timeMs, fields }: BrokerEvent): Json {
  return { name, timeMs, fields: tableToJson(fields) };
}

export function decodeEvent(json: Json): BrokerEvent {
  const { name, timeMs, fields } = json as {
    readonly name: string;
    readonly timeMs: number;
    readonly fields: { readonly [field: string]: Json };
  };
  return { name, timeMs, fields: tableFromJson(fields) };
}
