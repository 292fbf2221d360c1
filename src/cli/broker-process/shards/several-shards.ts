import type { Broker } from '../../../broker/broker.ts';
import type { DescriptorBudget } from '../../../broker/budget/descriptors.ts';
import type { ListenerName } from '../../../servers/listener/connection-limits.ts';
import { type PortOptions, ReservedPort, type SharedPort } from '../../../servers/listener/reserved-port.ts';
import { openSharedPort, type PortSharing } from '../../../servers/listener/shared-port.ts';
import type { ClientListener } from '../components.ts';
import type { Component, ListenerComponent } from '../lifecycle.ts';
import { shardsDirectory } from './shard-configuration.ts';
import { ShardWorkers, type ShardWorkersOptions } from './shard-workers.ts';

export interface SeveralShardsOptions extends ShardWorkersOptions {
  /** How the threads have their ports; what is best unless it is said. */
  readonly sharing?: PortSharing | undefined;
}

/** What `sluice start` does with other shards beside each step of shard 0. */
export class SeveralShards {
  readonly workers: ShardWorkers;
  readonly #sharing: PortSharing | null;
  /** Those that all shards have. */
  readonly #ports = new Map<ListenerName, SharedPort>();
  /** Of listeners of which each shard has a port of its own: those of all shards, in their order. */
  readonly #portsOfShards = new Map<ListenerName, number[]>();

  constructor(options: SeveralShardsOptions) {
    this.workers = new ShardWorkers(options);
    this.#sharing = options.sharing ?? null;
    // Without a listener for it the signal ends the process, as it does where there is one shard.
    const { amqpsPort, kafkasPort } = options.configuration;
    if (amqpsPort !== 'off' || kafkasPort !== 'off') process.on('SIGHUP', () => this.workers.reload());
  }

  /** Takes a port for shard 0, which the others take afterwards, if it is for all: a port 0 is the same for all then. */
  async take(
    { protocol, ports }: ClientListener,
    on: PortOptions,
    descriptors: DescriptorBudget,
  ): Promise<ReservedPort> {
    if (ports === 'each') {
      const own = await ReservedPort.open(on, descriptors);
      this.#portsOfShards.set(protocol, [own.port]);
      return own;
    }
    const { reserved, forOthers } = await openSharedPort(on, descriptors, this.#sharing);
    this.#ports.set(protocol, forOthers);
    return reserved;
  }

  /** Has the threads take their ports. The component is the threads. */
  async reserve(): Promise<Component> {
    try {
      await this.workers.reserve(this.#ports);
      for (const [protocol, own] of this.#portsOfShards) {
        const others = await this.workers.reserveOwn(protocol);
        this.#portsOfShards.set(protocol, [...own, ...others]);
      }
    } catch (error) {
      await this.workers.close();
      throw error;
    }
    return this.workers;
  }

  /** Opens the other brokers. They are closed before that of shard 0, which has the lock. */
  async openBeside(broker: Broker, onStep: (step: string) => void): Promise<Component> {
    const close = async (): Promise<void> => {
      // Whatever becomes of the others: its snapshot is worth taking.
      const [others] = await Promise.allSettled([this.workers.closeBrokers()]);
      await broker.close();
      if (others.status === 'rejected') throw others.reason;
    };
    try {
      const { storage } = broker.shard;
      // Before several threads would at once.
      await storage.fileSystem.makeDirectory(shardsDirectory(storage.directory));
      await this.workers.open(onStep);
    } catch (error) {
      await close().catch(() => undefined);
      throw error;
    }
    return { close };
  }

  /** The ports of all shards, where each has one of its own. */
  portsOf({ protocol }: ClientListener): readonly number[] | null {
    return this.#portsOfShards.get(protocol) ?? null;
  }

  /** Has the other shards listen, too; all stop at the same time. */
  async listenBeside(own: ListenerComponent, listener: ClientListener): Promise<ListenerComponent> {
    const { protocol } = listener;
    try {
      await this.workers.listen(protocol, this.portsOf(listener));
    } catch (error) {
      await own.close();
      throw error;
    }
    return {
      protocol: own.protocol,
      address: own.address,
      close: async () => {
        await Promise.all([own.close(), this.workers.closeListener(protocol)]);
      },
    };
  }
}
