import type { ShardSeat } from '../../doors/shard-link.ts';
import { PeerRequests } from './peer-requests.ts';
import type { AskedService, Service } from './service-request.ts';

/**
 * What the servers of a protocol do for those in other shards, by the name of a service. The broker carries bytes, and does not look at
 * them.
 */
export class ServicesElsewhere {
  /** Of this shard. */
  readonly own: number;
  /** How many shards there are. */
  readonly count: number;
  readonly #peers: readonly (PeerRequests | undefined)[];
  readonly #services = new Map<string, Service>();

  constructor({ number, count, rooms }: Pick<ShardSeat, 'number' | 'count' | 'rooms'>) {
    this.own = number;
    this.count = count;
    const find = (name: string): Service | undefined => this.#services.get(name);
    this.#peers = rooms.map((room, peer) =>
      room === undefined ? undefined : new PeerRequests(peer, room, find),
    );
  }

  /** Answers requests of the other shards for this service, until the function that it returns is called. */
  serve(name: string, service: Service): () => void {
    if (this.#services.has(name)) throw new Error(`'${name}' is served already`);
    this.#services.set(name, service);
    return () => void this.#services.delete(name);
  }

  /** Asks a service of another shard. The pieces stay as they are. */
  ask(shard: number, service: string, pieces: readonly Buffer[]): AskedService {
    const peer = this.#peers[shard];
    if (peer === undefined) throw new Error(`there is no other shard ${shard}`);
    return peer.ask(service, pieces);
  }

  /** Requests without an answer: of this shard, and of others to this one. */
  get counts(): { readonly asked: number; readonly open: number } {
    let [asked, open] = [0, 0];
    for (const peer of this.#peers) {
      asked += peer?.counts.asked ?? 0;
      open += peer?.counts.open ?? 0;
    }
    return { asked, open };
  }
}
