import type { Work } from '../../base/turn-time.ts';
import { BrokerError } from '../errors.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { DelayBucketChanged, MetadataOperation } from './metadata.ts';
import type { DelayPort } from './ports.ts';
import { VirtualHost, type VirtualHostDeps } from './virtual-host.ts';

/** The delayed messages of one virtual host, as the journal sees them. */
export interface VirtualHostDelays<Q> extends DelayPort<Q> {
  apply(operation: DelayBucketChanged): void;
  snapshot(): MetadataOperation[];
  /** The virtual host is gone. */
  remove(): void;
}

export type DelayFactory<Q extends TopologyQueue> = (vhost: VirtualHost<Q>) => VirtualHostDelays<Q>;

/** All virtual hosts of a broker: the whole of its metadata, as the journal sees it. */
export class VirtualHosts<Q extends TopologyQueue> {
  readonly #deps: VirtualHostDeps<Q>;
  readonly #createDelays: DelayFactory<Q> | null;
  readonly #byName = new Map<string, VirtualHost<Q>>();
  readonly #delays = new Map<string, VirtualHostDelays<Q>>();

  constructor(deps: VirtualHostDeps<Q>, createDelays: DelayFactory<Q> | null = null) {
    this.#deps = deps;
    this.#createDelays = createDelays;
  }

  get(name: string): VirtualHost<Q> | undefined {
    return this.#byName.get(name);
  }

  [Symbol.iterator](): IterableIterator<VirtualHost<Q>> {
    return this.#byName.values();
  }

  /** The virtual host of this name, made if it is not there. */
  create(name: string): VirtualHost<Q> {
    const existing = this.#byName.get(name);
    if (existing !== undefined) return existing;
    const vhost = this.#add(name);
    this.#deps.log.append({ op: 'vhost.create', vhost: name });
    return vhost;
  }

  /** Deletes it with all that is in it. Its connections are the caller's to close first. */
  delete(name: string): void {
    const vhost = this.#byName.get(name);
    if (vhost === undefined) throw new BrokerError('not-found', `no vhost '${name}'`);
    this.#deps.beforeDelete?.(name);
    this.#deps.log.append({ op: 'vhost.delete', vhost: name });
    this.#remove(vhost);
  }

  /** Recovery: repeats a journaled change, and journals nothing. What is in effect already is left alone. */
  apply(operation: MetadataOperation): void {
    const vhost = this.#byName.get(operation.vhost);
    if (operation.op === 'vhost.create') {
      if (vhost === undefined) this.#add(operation.vhost);
    } else if (operation.op === 'vhost.delete') {
      if (vhost !== undefined) this.#remove(vhost);
    } else if (operation.op === 'delay.bucket-add' || operation.op === 'delay.bucket-remove') {
      this.#delays.get(operation.vhost)?.apply(operation);
    } else if (vhost !== undefined) {
      vhost.apply(operation);
    } else {
      throw new Error(`the journal has '${operation.op}' in vhost '${operation.vhost}', which is not there`);
    }
  }

  /** As `apply`, while others go on. */
  *applyInSteps(operation: MetadataOperation): Work<void> {
    const vhost = this.#byName.get(operation.vhost);
    if (operation.op.startsWith('vhost.') || vhost === undefined) this.apply(operation);
    else yield* vhost.applyInSteps(operation);
  }

  /** Operations that make all that is durable from nothing. */
  snapshot(): MetadataOperation[] {
    return [...this.topologySnapshot(), ...this.delaySnapshot()];
  }

  /** As `snapshot`, of what all shards have in common. */
  topologySnapshot(): MetadataOperation[] {
    return Array.from(this, (vhost): MetadataOperation[] => [
      { op: 'vhost.create', vhost: vhost.name },
      ...vhost.snapshot(),
    ]).flat();
  }

  /** Of delays alone: each shard has its own. */
  delaySnapshot(): MetadataOperation[] {
    return Array.from(this.#delays.values(), (delays) => delays.snapshot()).flat();
  }

  #add(name: string): VirtualHost<Q> {
    const vhost = new VirtualHost(name, this.#deps);
    this.#byName.set(name, vhost);
    if (this.#createDelays !== null) {
      const delays = this.#createDelays(vhost);
      this.#delays.set(name, delays);
      vhost.delays = delays;
    }
    return vhost;
  }

  #remove(vhost: VirtualHost<Q>): void {
    this.#byName.delete(vhost.name);
    vhost.dispose();
    this.#delays.get(vhost.name)?.remove();
    this.#delays.delete(vhost.name);
  }
}
