import type { DestinationStream, Logger } from 'pino';
import { systemClock } from '../../../base/clock.ts';
import { systemScheduler } from '../../../base/scheduler.ts';
import type { CountedTogether } from '../../../broker/budget/counted-together.ts';
import type { DescriptorUse } from '../../../broker/budget/descriptors.ts';
import { SharedBudget } from '../../../broker/budget/shared-budget.ts';
import { allocateSharedBudget } from '../../../broker/budget/shared-memory.ts';
import { createDoors, Seat } from '../../../broker/doors/seat.ts';
import type { ListenerName } from '../../../servers/listener/connection-limits.ts';
import type { SharedPort } from '../../../servers/listener/reserved-port.ts';
import type { Configuration } from '../../config/settings.ts';
import { descriptorUse } from '../descriptor-use.ts';
import type { Component } from '../lifecycle.ts';
import type { ShardCommand } from './messages.ts';
import { shardConfiguration } from './shard-configuration.ts';
import { ShardWorker } from './shard-worker.ts';

export interface ShardWorkersOptions {
  /** Of the process, that of shard 0 included. */
  readonly count: number;
  readonly configuration: Configuration;
  readonly log: Logger;
  /** Where the lines of all threads are written. */
  readonly destination: DestinationStream;
  /** What a thread runs, where that is not `shard-thread.ts`. */
  readonly thread?: URL | undefined;
}

/**
 * The shards of the process but shard 0, each in a thread. All do the same at the same time, and the main thread goes on when all
 * are done. If one of them ends, the process does: there is no half broker.
 */
export class ShardWorkers implements Component {
  /** Of shard 0. */
  readonly seat: Seat;
  readonly together: CountedTogether;
  readonly descriptors: DescriptorUse;
  /** Of shard 0. */
  readonly configuration: Configuration;
  readonly #workers: readonly ShardWorker[];
  readonly #log: Logger;
  #onStep: (step: string) => void = () => undefined;

  /** The threads begin to load at once. */
  constructor({ count, configuration, log, destination, thread }: ShardWorkersOptions) {
    const memory = allocateSharedBudget(count);
    const doors = createDoors(count);
    this.seat = new Seat(0, doors, systemClock, systemScheduler);
    this.together = new SharedBudget(this.seat, memory);
    this.descriptors = descriptorUse();
    this.configuration = shardConfiguration(configuration, 0, count);
    this.#log = log;
    const { descriptors } = this;
    this.#workers = Array.from({ length: count - 1 }, (_, i) => {
      const data = { number: i + 1, doors, memory, configuration, descriptors };
      return new ShardWorker(thread ?? threadUrl(), data, destination, {
        onStep: (step) => this.#onStep(`${step} (shard ${data.number})`),
        onEnded: (error) => this.#ended(data.number, error),
      });
    });
    // Whatever ends the process: what threads have said is not lost.
    process.on('exit', () => {
      for (const worker of this.#workers) worker.writeLog();
    });
  }

  /** Takes the ports that shard 0 has taken. */
  async reserve(ports: ReadonlyMap<ListenerName, SharedPort>): Promise<void> {
    for (const [protocol, on] of ports) await this.#all({ do: 'reserve', protocol, on });
  }

  /** Has each take a port of its own; returns them in the order of the shards, from shard 1 on. */
  async reserveOwn(protocol: ListenerName): Promise<number[]> {
    return await this.#all({ do: 'reserve', protocol, on: null });
  }

  /** Opens the brokers, when that of shard 0 is open: its lock is for all. */
  async open(onStep: (step: string) => void): Promise<void> {
    this.#onStep = onStep;
    await this.#all({ do: 'open' });
  }

  /** `ports`: of all shards, where each has one of its own. */
  async listen(protocol: ListenerName, ports: readonly number[] | null): Promise<void> {
    await this.#all({ do: 'listen', protocol, ports });
  }

  async closeListener(protocol: ListenerName): Promise<void> {
    await this.#all({ do: 'close-listener', protocol });
  }

  /** Each flushes and takes its snapshot. Rejects, when all have ended, if one of them could not. */
  async closeBrokers(): Promise<void> {
    await this.#all({ do: 'close' });
  }

  /** The signal comes to the main thread alone. */
  reload(): void {
    this.#all({ do: 'reload' }).catch((error: unknown) => {
      this.#log.error({ err: error }, 'a shard did not read its certificate again');
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
    this.seat.close();
  }

  async #all(command: ShardCommand): Promise<number[]> {
    const done = await Promise.allSettled(this.#workers.map((worker) => worker.ask(command)));
    return done.map((each) => {
      if (each.status === 'rejected') throw each.reason;
      return each.value;
    });
  }

  #ended(shard: number, error: Error | null): void {
    if (error !== null) this.#log.fatal({ err: error, shard }, 'internal error');
    process.exit(1);
  }
}

function threadUrl(): URL {
  // The package has no sources: there it is what they were built into.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./shard-thread.${extension}`, import.meta.url);
}
