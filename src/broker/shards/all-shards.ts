import type { Json } from '../../base/value-json.ts';
import type { ShardNote, ShardSeat } from '../doors/shard-link.ts';
import type { BrokerEvent, Events } from '../events/events.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { QueueFigures } from '../queues/queue-figures.ts';
import type {
  AdministrationService,
  AskedQueue,
  DescribedPage,
  VhostFigures,
} from './administration-service.ts';
import { type Described, type DescribedKind, decodeDescribed } from './connection-codec.ts';
import { decodeEvent } from './event-sender.ts';
import type { ShardFigures } from './shard-figures.ts';

/** An event, and where it happened. */
export interface ShardEvent extends BrokerEvent {
  readonly shard: number;
}

/** So many events were lost, as too many came: told in their place. */
export const EVENTS_LOST = 'events.lost';

export interface AllShardsDeps {
  /** Null with one shard. */
  readonly seat: ShardSeat | null;
  readonly service: AdministrationService;
  readonly events: Events;
}

/** Connections of one question. */
const PAGE_CONNECTIONS = 100;

/** What administrators see and do, in all shards of the broker: each is asked for its part, this one too. */
export class AllShards {
  /** How many there are. */
  readonly count: number;
  readonly #own: number;
  readonly #deps: AllShardsDeps;
  readonly #listeners = new Set<(event: ShardEvent) => void>();
  /** While anybody listens; resolves when the others send what happens there. */
  #following: Promise<unknown> | null = null;

  constructor(deps: AllShardsDeps) {
    this.#deps = deps;
    this.#own = deps.seat?.number ?? 0;
    this.count = deps.seat?.count ?? 1;
  }

  /** In the order of the shards. */
  async figures(): Promise<readonly ShardFigures[]> {
    return (await this.#askAll({ op: 'admin.figures' })) as unknown as readonly ShardFigures[];
  }

  /** The figures of those that are in other shards, by the ids of the queues, without those that are gone: one question for each shard. */
  async remoteQueueFigures(queues: Iterable<AnyQueue>): Promise<ReadonlyMap<number, QueueFigures>> {
    const asked = new Map<number, AskedQueue[]>();
    for (const { isRemote, shard, vhost, name, id } of queues) {
      if (!isRemote) continue;
      const of = asked.get(shard);
      if (of === undefined) asked.set(shard, [[vhost, name, id]]);
      else of.push([vhost, name, id]);
    }
    const found = new Map<number, QueueFigures>();
    const ask = async ([shard, of]: [number, AskedQueue[]]): Promise<void> => {
      const question = { op: 'admin.queues', queues: of };
      const figures = (await this.#ask(shard, question)) as unknown as (QueueFigures | null)[];
      for (const [at, [, , id]] of of.entries()) {
        const each = figures[at];
        if (each !== null) found.set(id, each);
      }
    };
    await Promise.all([...asked].map(ask));
    return found;
  }

  /** Sums, in the order of the names. */
  async vhostFigures(names: readonly string[]): Promise<readonly VhostFigures[]> {
    const answers = (await this.#askAll({
      op: 'admin.vhosts',
      vhosts: names,
    })) as unknown as VhostFigures[][];
    return names.map((_, at) => {
      let [connections, ready, unacknowledged] = [0, 0, 0];
      for (const answer of answers) {
        connections += answer[at].connections;
        ready += answer[at].ready;
        unacknowledged += answer[at].unacknowledged;
      }
      return { connections, ready, unacknowledged };
    });
  }

  /** Connections, or what they have: of all virtual hosts, or of one; in pages, shard after shard. */
  async *describe<K extends DescribedKind>(
    kind: K,
    vhost: string | null,
  ): AsyncGenerator<{ readonly shard: number; readonly items: readonly Described[K][] }> {
    for (let shard = 0; shard < this.count; shard++) {
      const ids = (await this.#ask(shard, { op: 'admin.connection-ids', vhost })) as readonly number[];
      for (let at = 0; at < ids.length; ) {
        const question = { op: 'admin.describe', kind, ids: ids.slice(at, at + PAGE_CONNECTIONS) };
        const { items, through } = (await this.#ask(shard, question)) as DescribedPage;
        at += through;
        yield { shard, items: items.map((each) => decodeDescribed<K>(each)) };
      }
    }
  }

  /** The connection of this name, or what it has; null if there is none. */
  async ofConnection<K extends DescribedKind>(
    kind: K,
    name: string,
  ): Promise<{ readonly shard: number; readonly items: readonly Described[K][] } | null> {
    const answers = await this.#askAll({ op: 'admin.connection', kind, name });
    for (const [shard, answer] of answers.entries()) {
      const { found } = answer as { readonly found: readonly Json[] | null };
      if (found !== null) return { shard, items: found.map((each) => decodeDescribed<K>(each)) };
    }
    return null;
  }

  async channel(
    name: string,
  ): Promise<{ readonly shard: number; readonly channel: Described['channels'] } | null> {
    const answers = await this.#askAll({ op: 'admin.channel', name });
    for (const [shard, answer] of answers.entries()) {
      const { found } = answer as { readonly found: Json };
      if (found !== null) return { shard, channel: decodeDescribed<'channels'>(found) };
    }
    return null;
  }

  /** Whether there was a connection of this name. */
  async closeConnection(name: string, reason: string): Promise<boolean> {
    return (await this.#askAll({ op: 'admin.close', name, reason })).includes(true);
  }

  /** Messages of the virtual host are copied, or not any more, in all shards. */
  async trace(vhost: string, isOn: boolean): Promise<void> {
    await this.#askAll({ op: 'admin.trace', vhost, isOn });
  }

  /** Calls `listener` for what happens in any shard, once this resolves, until the function is called that it resolves with. */
  async listen(listener: (event: ShardEvent) => void): Promise<() => void> {
    // One of its own, as the same may listen twice.
    const hear = (event: ShardEvent): void => listener(event);
    const stopLocal = this.#deps.events.listen((event) => hear({ ...event, shard: this.#own }));
    this.#listeners.add(hear);
    this.#following ??= this.#followOthers(true);
    await this.#following;
    return () => {
      stopLocal();
      if (!this.#listeners.delete(hear) || this.#listeners.size > 0) return;
      this.#following = null;
      void this.#followOthers(false);
    };
  }

  /** From another shard. Null if it is none of these questions. */
  answer(from: number, question: ShardNote): Promise<Json> | Json | null {
    if (question.op !== 'admin.events') return this.#deps.service.answer(from, question);
    const { events, lost } = question as unknown as { readonly events: Json[]; readonly lost: number };
    if (lost > 0) {
      const timeMs = decodeEvent(events[0]).timeMs;
      this.#tell({ name: EVENTS_LOST, timeMs, fields: { count: lost }, shard: from });
    }
    for (const event of events) this.#tell({ ...decodeEvent(event), shard: from });
    return true;
  }

  #tell(event: ShardEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #followOthers(isOn: boolean): Promise<unknown> {
    const question = { op: 'admin.follow-events', isOn };
    const others = Array.from({ length: this.count }, (_, shard) => shard).filter(
      (each) => each !== this.#own,
    );
    return Promise.all(others.map((shard) => this.#ask(shard, question)));
  }

  #askAll(question: ShardNote): Promise<Json[]> {
    return Promise.all(Array.from({ length: this.count }, (_, shard) => this.#ask(shard, question)));
  }

  async #ask(shard: number, question: ShardNote): Promise<Json> {
    const { seat, service } = this.#deps;
    if (shard !== this.#own) {
      const link = seat?.links[shard];
      if (link === undefined) throw new Error(`there is no shard ${shard}`);
      return await link.ask(question);
    }
    const answer = await service.answer(this.#own, question);
    if (answer === null) throw new Error(`'${question.op}' is no question of an administrator`);
    return answer;
  }
}
