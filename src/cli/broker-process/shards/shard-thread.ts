/**
 * The thread of a shard other than 0: a broker on a directory of its own, and its listeners. It does what the main thread
 * tells it, see `shard-workers.ts`.
 */
import { EventEmitter } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../base/clock.ts';
import { systemScheduler } from '../../../base/scheduler.ts';
import type { Broker } from '../../../broker/broker.ts';
import { SharedBudget } from '../../../broker/budget/shared-budget.ts';
import { Seat } from '../../../broker/doors/seat.ts';
import type { ListenerName } from '../../../servers/listener/connection-limits.ts';
import { type PortOptions, ReservedPort, type SharedPort } from '../../../servers/listener/reserved-port.ts';
import { PortSharingError } from '../../../servers/listener/shared-port.ts';
import { describe } from '../../failure.ts';
import { clientBudget } from '../client-budget.ts';
import { clientListeners, openBroker, reservePort, startListener } from '../components.ts';
import { endOnInternalErrors } from '../internal-errors.ts';
import type { Component } from '../lifecycle.ts';
import { createLog } from '../log.ts';
import type { AskedCommand, ShardCommand, ShardMessage, ShardThreadData } from './messages.ts';
import { shardConfiguration } from './shard-configuration.ts';

class ShardThread {
  readonly #seat: Seat;
  readonly #port: MessagePort;
  readonly #log;
  readonly #configuration;
  readonly #budget;
  readonly #hangups = new EventEmitter();
  readonly #ports = new Map<ListenerName, ReservedPort>();
  readonly #listeners = new Map<ListenerName, Component>();
  #broker: Broker | null = null;

  constructor(data: ShardThreadData, port: MessagePort) {
    const { number, doors, memory, configuration, descriptors, log } = data;
    const { count } = doors;
    this.#port = port;
    this.#configuration = shardConfiguration(configuration, number, count);
    this.#log = createLog(configuration.logLevel, { write: (line) => log.postMessage(line) }, number);
    endOnInternalErrors(this.#log);
    this.#budget = clientBudget(configuration, new SharedBudget({ number, count }, memory), descriptors);
    this.#seat = new Seat(number, doors, systemClock, systemScheduler);
    port.on('message', ({ id, command }: AskedCommand) => void this.#answer(id, command));
  }

  async #answer(id: number, command: ShardCommand): Promise<void> {
    try {
      const port = await this.#do(command);
      this.#tell({ id, failure: null, ...(port !== undefined && { port }) });
    } catch (error) {
      this.#tell({ id, failure: describe(error) });
    }
  }

  #tell(message: ShardMessage): void {
    this.#port.postMessage(message);
  }

  /** The port, if one was taken. */
  async #do(command: ShardCommand): Promise<number | undefined> {
    switch (command.do) {
      case 'reserve':
        return await this.#reserve(command.protocol, command.on);
      case 'open':
        await this.#open();
        return;
      case 'listen':
        await this.#listen(command.protocol, command.ports);
        return;
      case 'close-listener':
        await this.#listeners.get(command.protocol)?.close();
        return;
      case 'close':
        for (const port of this.#ports.values()) await port.close();
        await this.#broker?.close();
        this.#seat.close();
        return;
      case 'reload':
        this.#hangups.emit('SIGHUP');
        return;
    }
  }

  async #reserve(protocol: ListenerName, on: SharedPort | null): Promise<number> {
    const take = async (own: PortOptions): Promise<ReservedPort> => {
      try {
        return await ReservedPort.open(on ?? own, this.#budget.descriptors);
      } catch (error) {
        // The main thread listens on it: that it is no good here is for want of what the system can do.
        throw on !== null && 'fd' in on ? new PortSharingError(error) : error;
      }
    };
    const { number } = this.#seat;
    const taken = await reservePort(this.#listenerOf(protocol), this.#configuration, take, number);
    this.#ports.set(protocol, taken);
    return taken.port;
  }

  async #open(): Promise<void> {
    const onStep = (step: string): void => this.#tell({ step });
    const place = { seat: this.#seat };
    this.#broker = await openBroker(this.#configuration, this.#budget, this.#log, onStep, place);
  }

  async #listen(protocol: ListenerName, ports: readonly number[] | null): Promise<void> {
    const reserved = this.#ports.get(protocol);
    if (reserved === undefined || this.#broker === null)
      throw new Error(`${protocol}: there is nothing to serve`);
    const listener = this.#listenerOf(protocol);
    const hangups = this.#hangups;
    this.#listeners.set(
      protocol,
      await startListener(listener, reserved, this.#broker, this.#configuration, this.#log, {
        hangups,
        ports,
      }),
    );
  }

  #listenerOf(protocol: ListenerName) {
    const found = clientListeners(this.#configuration).find((each) => each.protocol === protocol);
    if (found === undefined) throw new Error(`the listener for ${protocol} is off`);
    return found;
  }
}

if (parentPort !== null) new ShardThread(workerData as ShardThreadData, parentPort);
