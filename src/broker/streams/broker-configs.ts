import { BrokerError } from '../errors.ts';
import type { SnapshotSection } from '../shard/snapshot-section.ts';
import { BROKER_CONFIGS, brokerConfig } from './broker-config-table.ts';
import { normalValue, problemOfValue } from './config-value.ts';
import { validateConfigs } from './topic-config-validation.ts';

/** What holds for all brokers of the cluster, or for this one, which goes before. */
export type BrokerConfigScope = 'cluster' | 'broker';

interface BrokerConfigsSet {
  readonly op: 'broker-config.set';
  readonly scope: BrokerConfigScope;
  /** All that is set from now on. */
  readonly configs: Readonly<Record<string, string>>;
}

export interface BrokerConfigsDeps {
  record(operation: Uint8Array): void;
}

/** Of all that is set in one scope, names and values. */
const CHARACTERS_MAX = 65_536;

/** Instead of a secret, which nothing here would use. */
const SECRET = '';

/** Kafka's dynamic settings of brokers (KIP-226): what was set while the broker ran. They survive a restart. */
export class BrokerConfigs implements SnapshotSection {
  readonly prefix = 'broker-config';
  readonly #deps: BrokerConfigsDeps;
  readonly #listeners: (() => void)[] = [];
  readonly #scopes: Record<BrokerConfigScope, ReadonlyMap<string, string>> = {
    cluster: new Map(),
    broker: new Map(),
  };
  #topicDefaults: ReadonlyMap<string, string> = new Map();

  constructor(deps: BrokerConfigsDeps) {
    this.#deps = deps;
  }

  /** All that is set in this scope. */
  of(scope: BrokerConfigScope): ReadonlyMap<string, string> {
    return this.#scopes[scope];
  }

  /** What is set, by names of topic configs: it holds for all streams that have nothing of their own. */
  get topicDefaults(): ReadonlyMap<string, string> {
    return this.#topicDefaults;
  }

  /** The number that holds, if one is set. */
  number(name: string): number | undefined {
    const value = this.#scopes.broker.get(name) ?? this.#scopes.cluster.get(name);
    return value === undefined ? undefined : Number(value);
  }

  /** `listener` is called when something else holds. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** `configs` are all that is set in the scope from now on, and valid: see `checkBrokerConfigs`. */
  set(scope: BrokerConfigScope, configs: ReadonlyMap<string, string>): void {
    const kept = Array.from(configs, ([name, value]): [string, string] => {
      const config = brokerConfig(name);
      if (config?.type === 'password') return [name, SECRET];
      return [name, config === undefined ? value : normalValue(config, value)];
    });
    const operation: BrokerConfigsSet = { op: 'broker-config.set', scope, configs: Object.fromEntries(kept) };
    this.#deps.record(encode(operation));
    this.#apply(operation);
  }

  apply(operation: Uint8Array): void {
    this.#apply(JSON.parse(Buffer.from(operation).toString('utf8')) as BrokerConfigsSet);
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const scope of ['cluster', 'broker'] as const) {
      const configs = this.#scopes[scope];
      if (configs.size === 0) continue;
      yield encode({ op: 'broker-config.set', scope, configs: Object.fromEntries(configs) });
    }
  }

  #apply({ scope, configs }: BrokerConfigsSet): void {
    this.#scopes[scope] = new Map(Object.entries(configs));
    this.#topicDefaults = topicDefaultsOf(new Map([...this.#scopes.cluster, ...this.#scopes.broker]));
    for (const listener of this.#listeners) listener();
  }
}

/**
 * Whether these can be all that is set in the scope.
 * @throws BrokerError precondition-failed, with Kafka's text, if one cannot be set there, or not to that value
 */
export function checkBrokerConfigs(scope: BrokerConfigScope, configs: ReadonlyMap<string, string>): void {
  for (const [name, value] of configs) {
    const config = brokerConfig(name);
    if (config === undefined) {
      refuse(
        `Cannot update these configs dynamically: [${name}]: no dynamic setting of a broker; ` +
          'what is given at the start of this broker, `sluice config` shows',
      );
    }
    if (config.level === 'listener') {
      refuse(
        'These security configs can be dynamically updated only per-listener using the listener prefix: ' +
          `[${name}]`,
      );
    }
    const problem = problemOfValue(config, value);
    if (problem !== null) {
      const shown = config.type === 'password' ? '[hidden]' : value;
      refuse(`Invalid value ${shown} for configuration ${name}: ${problem}`);
    }
    if (scope === 'cluster' && config.level === 'broker') {
      refuse(`Cannot update these configs at default cluster level, broker id must be specified: [${name}]`);
    }
  }
  let characters = 0;
  for (const [name, value] of configs) characters += name.length + value.length;
  if (characters > CHARACTERS_MAX) {
    refuse(`settings of a broker have ${CHARACTERS_MAX} characters at most, not ${characters}`);
  }
  const problem = validateConfigs(topicDefaultsOf(configs));
  if (problem !== null) refuse(problem);
}

function topicDefaultsOf(configs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const defaults = new Map<string, string>();
  for (const { name, topicName } of BROKER_CONFIGS) {
    const value = topicName === null ? undefined : configs.get(name);
    if (topicName !== null && value !== undefined) defaults.set(topicName, value);
  }
  return defaults;
}

function refuse(text: string): never {
  throw new BrokerError('precondition-failed', text);
}

function encode(operation: BrokerConfigsSet): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}
