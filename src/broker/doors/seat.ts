import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { Door, type FlushScheduler } from './door.ts';
import { NoteLink } from './note-link.ts';
import { OutboxDoor } from './outbox-link.ts';
import { createRing } from './ring.ts';
import type { ShardSeat, ShardService } from './shard-link.ts';
import { SharedRoom } from './shared-room.ts';
import { Bell, type BellWaits, createBells, WakeUp } from './wake-up.ts';

/** What the shards of a process share: it is made once, and given to the thread of each. */
export interface SharedDoors {
  readonly count: number;
  readonly bells: SharedArrayBuffer;
  /** By the number of the writing shard, and then by that of the reading one; null where both are the same. */
  readonly rings: readonly (readonly (SharedArrayBuffer | null)[])[];
}

/** `ringBytes`: the capacity of each; that of a ring unless told otherwise. */
export function createDoors(count: number, ringBytes?: number): SharedDoors {
  const shards = Array.from({ length: count }, (_, index) => index);
  const rings = shards.map((from) => shards.map((to) => (from === to ? null : createRing(ringBytes))));
  return { count, bells: createBells(count), rings };
}

/** The doors of one shard to all others, in its thread. */
export class Seat implements ShardSeat {
  readonly number: number;
  readonly count: number;
  readonly links: readonly (NoteLink | undefined)[];
  readonly outboxLinks: readonly (OutboxDoor | undefined)[];
  /** By the number of the other shard. */
  readonly rooms: readonly (SharedRoom | undefined)[];
  readonly #wakeUp: WakeUp;
  #turn: (FlushScheduler & { touch(): void }) | null = null;

  /** `waits`: how the shards wake each other; as threads do, unless told otherwise. */
  constructor(number: number, doors: SharedDoors, clock: Clock, scheduler: Scheduler, waits?: BellWaits) {
    const { count, bells, rings } = doors;
    this.number = number;
    this.count = count;
    this.#wakeUp = new WakeUp(bells, number, clock, scheduler, () => this.#turn?.touch(), waits);
    this.rooms = rings.map((_, peer) => {
      const outgoing = rings[number][peer];
      const incoming = rings[peer][number];
      if (outgoing === null || incoming === null) return undefined;
      return new SharedRoom(
        new Door({
          outgoing,
          incoming,
          bell: new Bell(bells, peer, waits),
          wakeUp: this.#wakeUp,
          turn: this,
          clock,
        }),
      );
    });
    for (const room of this.rooms) room?.door.begin();
    this.outboxLinks = this.rooms.map((room) => (room === undefined ? undefined : new OutboxDoor(room)));
    this.links = this.rooms.map((room, peer) => (room === undefined ? undefined : new NoteLink(peer, room)));
  }

  serve(service: ShardService): void {
    for (const room of this.rooms) room?.door.serve();
    for (const link of this.links) link?.serve(service);
  }

  /** The shard has a turn now, in which doors are flushed as sockets are. */
  begin(turn: FlushScheduler & { touch(): void }): void {
    this.#turn = turn;
  }

  /** From the doors. Before there is a turn, what they have goes at once. */
  flushLater(output: { flushPending: boolean; flush(): void }): void {
    if (this.#turn !== null) this.#turn.flushLater(output);
    else output.flush();
  }

  /** Nothing comes or goes any more. */
  close(): void {
    for (const room of this.rooms) room?.door.close();
    this.#wakeUp.close();
  }
}
