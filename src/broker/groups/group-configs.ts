import type { ObjectAccount } from '../budget/object-account.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';
import { BrokerError } from '../errors.ts';
import type { SnapshotSection } from '../shard/snapshot-section.ts';
import { CONSUMER_CONFIGS } from './consumer-configs.ts';
import type { SettingOwner } from './dead-letter-owner.ts';
import { DEAD_LETTER_TOPIC, type GroupConfig, SHARE_CONFIGS } from './share/share-settings.ts';

/** Everything that can be set for a group, by name. */
export const GROUP_CONFIGS: ReadonlyMap<string, GroupConfig> = new Map(
  [...CONSUMER_CONFIGS, ...SHARE_CONFIGS].map((config) => [config.name, config]),
);

interface ConfigsSet {
  readonly op: 'group-config.set';
  readonly v: string;
  readonly g: string;
  /** All that is set from now on. */
  readonly configs: Readonly<Record<string, string>>;
  /** Who set the dead-letter topic. */
  readonly by?: SettingOwner | null;
  /** Who set something for the group first. */
  readonly m?: string | null;
}

const KIND = 'group-configs';
const NONE: ReadonlyMap<string, string> = new Map();

export interface GroupConfigDeps {
  readonly quotas: ObjectQuotas;
  record(operation: Uint8Array): void;
}

/** What is set for groups, by name; a group need not be there yet, and what is set for it outlives it. */
export class GroupConfigs implements SnapshotSection {
  readonly prefix = 'group-config';
  readonly #deps: GroupConfigDeps;
  readonly #byVhost = new Map<string, Map<string, ReadonlyMap<string, string>>>();
  readonly #owners = new Map<string, SettingOwner>();
  /** Of whoever set something for the group first; null if nobody is known to have done it. */
  readonly #accounts = new Map<string, ObjectAccount | null>();
  readonly #listeners: ((vhost: string, group: string) => void)[] = [];

  constructor(deps: GroupConfigDeps) {
    this.#deps = deps;
  }

  of(vhost: string, group: string): ReadonlyMap<string, string> {
    return this.#byVhost.get(vhost)?.get(group) ?? NONE;
  }

  /** Who set the dead-letter topic of the group; null for an operator, and if none is set. */
  ownerOf(vhost: string, group: string): SettingOwner | null {
    return this.#owners.get(ownerKey(vhost, group)) ?? null;
  }

  /** Of whom the configs of the group count. */
  accountOf(vhost: string, group: string): ObjectAccount | null {
    return this.#accounts.get(ownerKey(vhost, group)) ?? null;
  }

  /** Groups for which something is set. */
  list(vhost: string): string[] {
    return [...(this.#byVhost.get(vhost)?.keys() ?? [])];
  }

  /** `listener` is called when something else holds for a group. */
  onChange(listener: (vhost: string, group: string) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * `configs` are all that is set for the group from now on. `by`: whose rights it takes that records go to the dead-letter
   * topic, if that is another one than before.
   * `user`: of whom it counts, if nothing is set for the group yet.
   * @throws BrokerError precondition-failed, if a name or a value is not possible; limit-reached, resource-short
   */
  set(
    vhost: string,
    group: string,
    configs: ReadonlyMap<string, string>,
    by: SettingOwner | null = null,
    user: string | null = null,
  ): void {
    checkGroupConfigs(configs);
    const { quotas } = this.#deps;
    const isNew = configs.size > 0 && this.of(vhost, group).size === 0;
    if (isNew) quotas.admit(KIND, quotas.account(user), vhost);
    const topic = configs.get(DEAD_LETTER_TOPIC) ?? '';
    const isSame = topic === (this.of(vhost, group).get(DEAD_LETTER_TOPIC) ?? '');
    const owner = topic === '' ? null : isSame ? this.ownerOf(vhost, group) : by;
    const operation: ConfigsSet = {
      op: 'group-config.set',
      v: vhost,
      g: group,
      configs: Object.fromEntries(configs),
      ...(owner === null ? {} : { by: owner }),
      ...(isNew && user !== null ? { m: user } : {}),
    };
    this.#deps.record(encode(operation));
    this.#apply(operation);
  }

  /** With the virtual host goes what is in it. */
  deleteAll(vhost: string): void {
    for (const group of this.list(vhost)) this.set(vhost, group, NONE);
    this.#byVhost.delete(vhost);
  }

  apply(operation: Uint8Array): void {
    this.#apply(JSON.parse(Buffer.from(operation).toString('utf8')) as ConfigsSet);
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const [vhost, groups] of this.#byVhost) {
      for (const [group, configs] of groups) {
        const by = this.ownerOf(vhost, group);
        const user = this.accountOf(vhost, group)?.openName ?? null;
        yield encode({
          op: 'group-config.set',
          v: vhost,
          g: group,
          configs: Object.fromEntries(configs),
          ...(by === null ? {} : { by }),
          ...(user === null ? {} : { m: user }),
        });
      }
    }
  }

  #apply({ v, g, configs, by = null, m = null }: ConfigsSet): void {
    if (by === null) this.#owners.delete(ownerKey(v, g));
    else this.#owners.set(ownerKey(v, g), by);
    let groups = this.#byVhost.get(v);
    if (groups === undefined) this.#byVhost.set(v, (groups = new Map()));
    const map = new Map(Object.entries(configs));
    this.#count(v, g, (map.size > 0 ? 1 : 0) - (groups.has(g) ? 1 : 0), m);
    if (map.size === 0) groups.delete(g);
    else groups.set(g, map);
    for (const listener of this.#listeners) listener(v, g);
  }

  #count(vhost: string, group: string, difference: number, user: string | null): void {
    const { quotas } = this.#deps;
    const key = ownerKey(vhost, group);
    if (difference > 0) this.#accounts.set(key, quotas.account(user));
    quotas.change(KIND, this.#accounts.get(key) ?? null, vhost, difference);
    if (difference < 0) this.#accounts.delete(key);
  }
}

/** @throws BrokerError precondition-failed, if a name or a value is not possible */
export function checkGroupConfigs(configs: ReadonlyMap<string, string>): void {
  for (const [name, value] of configs) {
    const config = GROUP_CONFIGS.get(name);
    if (config === undefined)
      throw new BrokerError('precondition-failed', `Unknown group config name: ${name}`);
    const fault = config.fault(value);
    if (fault !== null) throw new BrokerError('precondition-failed', fault);
  }
  const number = (name: string): number =>
    Number(configs.get(name) ?? GROUP_CONFIGS.get(name)?.defaultValue ?? 0);
  for (const kind of ['consumer', 'share']) {
    if (number(`${kind}.heartbeat.interval.ms`) < number(`${kind}.session.timeout.ms`)) continue;
    throw new BrokerError(
      'precondition-failed',
      `${kind}.session.timeout.ms must be greater than ${kind}.heartbeat.interval.ms`,
    );
  }
}

function ownerKey(vhost: string, group: string): string {
  return JSON.stringify([vhost, group]);
}

function encode(operation: ConfigsSet): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}
