import { mapped, type Work } from '../../base/turn-time.ts';
import type { Json } from '../../base/value-json.ts';
import type { Access } from '../access/access.ts';
import type { ClientConnection } from '../connections/connection-info.ts';
import type { MessageTracing } from '../connections/message-tracing.ts';
import type { ShardNote } from '../doors/shard-link.ts';
import type { Events } from '../events/events.ts';
import { asLocal, localOf } from '../queues/any-queue.ts';
import { queueFigures } from '../queues/queue-figures.ts';
import { flag, optionalText, text } from './command-codec.ts';
import { type Described, type DescribedKind, encodeDescribed } from './connection-codec.ts';
import { EventSender } from './event-sender.ts';
import { type FiguresDeps, shardFigures } from './shard-figures.ts';

export interface AdministrationDeps extends FiguresDeps {
  readonly access: Access;
  readonly events: Events;
  readonly tracing: MessageTracing;
}

/** A queue that figures are asked of: its virtual host, its name and its id. */
export type AskedQueue = readonly [vhost: string, name: string, id: number];

/** What a virtual host has in one shard. */
export type VhostFigures = {
  readonly connections: number;
  readonly ready: number;
  readonly unacknowledged: number;
};

/** Of the connections that were asked for: of how many of them this is. */
export type DescribedPage = { readonly items: readonly Json[]; readonly through: number };

/** An answer ends with the connection with which it has so many items. */
const ITEMS_ENOUGH = 1000;

/**
 * What administrators want of this shard, be it asked from here or from another shard: in pages that the asker chooses, done in
 * steps. Each question is JSON, and so is its answer.
 */
export class AdministrationService {
  readonly #deps: AdministrationDeps;
  /** By the number of the shard that listens. */
  readonly #senders = new Map<number, EventSender>();

  constructor(deps: AdministrationDeps) {
    this.#deps = deps;
  }

  /** Null if it is none of these questions. */
  answer(from: number, question: ShardNote): Promise<Json> | Json | null {
    const { connections, tracing } = this.#deps;
    switch (question.op) {
      case 'admin.figures':
        return this.#run(question, shardFigures(this.#deps));
      case 'admin.queues':
        return this.#run(question, this.#queues(question.queues as unknown as readonly AskedQueue[]));
      case 'admin.vhosts':
        return this.#run(question, this.#vhosts(question.vhosts as readonly string[]));
      case 'admin.connection-ids':
        return connections.idsIn(optionalText(question, 'vhost'));
      case 'admin.describe':
        return this.#run(question, this.#describe(kindOf(question), question.ids as readonly number[]));
      case 'admin.connection':
        return this.#named(question);
      case 'admin.channel':
        return { found: this.#channel(text(question, 'name')) };
      case 'admin.close':
        return this.#close(text(question, 'name'), text(question, 'reason'));
      case 'admin.trace':
        tracing.set(text(question, 'vhost'), flag(question, 'isOn'));
        return true;
      case 'admin.follow-events':
        return this.#follow(from, flag(question, 'isOn'));
      default:
        return null;
    }
  }

  /** The answer is null for a queue that is not here any more. */
  #queues(asked: readonly AskedQueue[]): Work<Json> {
    const { vhosts } = this.#deps;
    return mapped(asked, ([vhost, name, id]): Json => {
      const queue = asLocal(vhosts.get(vhost)?.findQueue(name));
      return queue?.id === id ? queueFigures(queue) : null;
    });
  }

  *#vhosts(names: readonly string[]): Work<Json> {
    const all: VhostFigures[] = [];
    for (const name of names) {
      let [ready, unacknowledged] = [0, 0];
      for (const queue of localOf(this.#deps.vhosts.get(name)?.queues() ?? [])) {
        ready += queue.readyCount;
        unacknowledged += queue.unacknowledgedCount;
        yield;
      }
      const connections = this.#deps.access.administration.connectionCountIn(name);
      all.push({ connections, ready, unacknowledged });
      yield;
    }
    return all;
  }

  /** Those that are gone meanwhile are left out. */
  *#describe(kind: DescribedKind, ids: readonly number[]): Work<Json> {
    const items: Json[] = [];
    let through = 0;
    for (const id of ids) {
      if (items.length >= ITEMS_ENOUGH) break;
      through++;
      const connection = this.#deps.connections.get(id);
      if (connection !== undefined)
        for (const each of describedBy(connection, kind)) items.push(encodeDescribed(each));
      yield;
    }
    return { items, through } satisfies DescribedPage;
  }

  #named(question: ShardNote): Json {
    const connection = this.#deps.connections.find(text(question, 'name'));
    if (connection === undefined) return { found: null };
    return { found: describedBy(connection, kindOf(question)).map(encodeDescribed) };
  }

  #channel(name: string): Json {
    for (const connection of this.#deps.connections) {
      if (!name.startsWith(connection.name)) continue;
      const found = connection.channels().find((each) => each.name === name);
      if (found !== undefined) return encodeDescribed(found);
    }
    return null;
  }

  /** Whether it was here. */
  #close(name: string, reason: string): boolean {
    const connection = this.#deps.connections.find(name);
    connection?.close(reason);
    return connection !== undefined;
  }

  #follow(from: number, isOn: boolean): boolean {
    this.#senders.get(from)?.stop();
    this.#senders.delete(from);
    const link = this.#deps.seat?.links[from];
    if (isOn && link !== undefined) this.#senders.set(from, new EventSender(this.#deps.events, link));
    return true;
  }

  #run(question: ShardNote, work: Work<Json>): Promise<Json> | Json {
    const owner = { protocol: 'HTTP', request: question.op, user: 'administrator' };
    return this.#deps.shard.turnTime.run(work, owner);
  }
}

function describedBy(connection: ClientConnection, kind: DescribedKind): Described[DescribedKind][] {
  if (kind === 'connections') return [connection.describe()];
  return kind === 'channels' ? connection.channels() : connection.consumers();
}

function kindOf(question: ShardNote): DescribedKind {
  return text(question, 'kind') as DescribedKind;
}
