import { systemClock } from '../../src/base/clock.ts';
import { systemScheduler } from '../../src/base/scheduler.ts';
import { Door } from '../../src/broker/doors/door.ts';
import { Bell, WakeUp } from '../../src/broker/doors/wake-up.ts';
import type { Link, LinkEnds, Receive } from './link.ts';

const KIND = 1;

/** The door of the broker. */
export class RingLink implements Link {
  readonly #wakeUp: WakeUp;
  readonly #door: Door;

  constructor({ side, bells, outgoing, incoming }: LinkEnds, receive: Receive) {
    this.#wakeUp = new WakeUp(bells, side, systemClock, systemScheduler);
    this.#door = new Door({
      outgoing,
      incoming,
      bell: new Bell(bells, 1 - side),
      wakeUp: this.#wakeUp,
      // Turns are ended by the measurement.
      turn: { flushLater: () => undefined },
      clock: systemClock,
    });
    const frame = (_kind: number, buffer: Buffer, start: number, end: number): boolean => {
      receive(buffer, start, end);
      return true;
    };
    this.#door.receive(KIND, { frame });
  }

  write(payload: Buffer): boolean {
    const at = this.#door.reserve(payload.length);
    if (at === -1) return false;
    payload.copy(this.#door.buffer, at);
    this.#door.finish(KIND, payload.length);
    return true;
  }

  flush(): void {
    this.#door.flush();
  }

  whenRoom(listener: () => void): void {
    this.#door.whenRoom(listener);
  }

  close(): void {
    this.#door.close();
    this.#wakeUp.close();
  }
}
