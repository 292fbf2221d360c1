import { BrokerError } from '../errors.ts';
import { directExchange } from './direct.ts';
import { fanoutExchange } from './fanout.ts';
import { headersExchange } from './headers.ts';
import { topicExchange } from './topic.ts';
import type { ExchangeType } from './type.ts';

/** The exchange types that a broker knows: the four of AMQP, and those that plugins add. */
export class ExchangeTypes {
  readonly #byName = new Map<string, ExchangeType>();

  constructor(additional: readonly ExchangeType[] = []) {
    for (const type of [directExchange, fanoutExchange, topicExchange, headersExchange]) this.register(type);
    for (const type of additional) this.register(type);
  }

  register(type: ExchangeType): void {
    if (this.#byName.has(type.name)) throw new Error(`exchange type '${type.name}' is registered already`);
    this.#byName.set(type.name, type);
  }

  /** @throws BrokerError command-invalid, as AMQP 0-9-1 exchange.declare rule 12 asks. */
  get(name: string): ExchangeType {
    const type = this.#byName.get(name);
    if (type === undefined) throw new BrokerError('command-invalid', `unknown exchange type '${name}'`);
    return type;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }
}
