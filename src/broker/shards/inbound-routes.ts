import type { AnyQueue } from '../queues/any-queue.ts';
import type { Queue } from '../queues/queue.ts';
import type { Route, RouteVersion } from '../topology/route.ts';

/** More would be made up by somebody: they are forgotten, all of them. */
const ROUTES_MAX = 16_384;

/** The queues of this shard, for those who know them by their ids. */
export interface LocalQueues {
  get(id: number): Queue | undefined;
  versionOf(vhost: string): RouteVersion;
}

interface Known {
  readonly route: Route<AnyQueue>;
  readonly queues: readonly Queue[];
  readonly current: RouteVersion;
}

/**
 * Routes by the ids of queues, as other shards name them. As those of a virtual host, they hold until something changes there; and
 * without those of their queues that are gone.
 */
export class InboundRoutes {
  readonly #queues: LocalQueues;
  readonly #known = new Map<string, Known>();
  readonly #single = new Map<number, Known>();
  #last: Known | null = null;
  #lastId = -1;

  constructor(queues: LocalQueues) {
    this.#queues = queues;
  }

  /** Null if all of them are gone. The ids are u32, at `at` of the buffer. */
  find(buffer: Buffer, at: number, count: number): Route<AnyQueue> | null {
    if (count === 1) return this.#findOne(buffer.readUInt32LE(at));
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(buffer.readUInt32LE(at + 4 * i));
    const key = ids.join();
    const known = this.#known.get(key);
    if (known !== undefined && holds(known)) return known.route;
    return this.#remember(this.#known, key, ids);
  }

  #findOne(id: number): Route<AnyQueue> | null {
    const last = this.#last;
    if (last !== null && id === this.#lastId && holds(last)) return last.route;
    let known = this.#single.get(id);
    if (known === undefined || !holds(known)) {
      if (this.#remember(this.#single, id, [id]) === null) return null;
      known = this.#single.get(id) as Known;
    }
    this.#last = known;
    this.#lastId = id;
    return known.route;
  }

  #remember<K>(known: Map<K, Known>, key: K, ids: readonly number[]): Route<AnyQueue> | null {
    known.delete(key);
    const queues: Queue[] = [];
    for (const id of ids) {
      const queue = this.#queues.get(id);
      if (queue !== undefined) queues.push(queue);
    }
    if (queues.length === 0) return null;
    const current = this.#queues.versionOf(queues[0].vhost);
    const route: Route<AnyQueue> = {
      queues,
      streams: [],
      cacheable: true,
      version: current.version,
      delayMs: -1,
      isCutOff: false,
      directReplies: [],
    };
    if (known.size >= ROUTES_MAX) known.clear();
    known.set(key, { route, queues, current });
    return route;
  }
}

function holds({ route, queues, current }: Known): boolean {
  if (route.version !== current.version) return false;
  for (let i = 0; i < queues.length; i++) if (queues[i].isRemoved) return false;
  return true;
}
