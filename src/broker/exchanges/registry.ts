import { didYouMean } from '../../base/suggestion.ts';
import { BrokerError } from '../errors.ts';
import { consistentHashExchange } from './consistent-hash.ts';
import { delayedMessageExchange } from './delayed-message.ts';
import { directExchange } from './direct.ts';
import { fanoutExchange } from './fanout.ts';
import { headersExchange } from './headers.ts';
import { modulusHashExchange } from './modulus-hash.ts';
import { randomExchange } from './random.ts';
import { roundRobinExchange } from './round-robin.ts';
import { streamExchange } from './stream.ts';
import { topicExchange } from './topic.ts';
import type { ExchangeType } from './type.ts';

/** The four of AMQP, those that RabbitMQ has plugins for, and that of streams. */
const builtIn: readonly ExchangeType[] = [
  directExchange,
  fanoutExchange,
  topicExchange,
  headersExchange,
  consistentHashExchange,
  modulusHashExchange,
  randomExchange,
  roundRobinExchange,
  streamExchange,
];

/** The exchange types that a broker knows: its own, and those that plugins add. */
export class ExchangeTypes {
  readonly #byName = new Map<string, ExchangeType>();

  constructor(additional: readonly ExchangeType[] = []) {
    for (const type of builtIn) this.register(type);
    this.register(delayedMessageExchange((name) => this.get(name)));
    for (const type of additional) this.register(type);
  }

  register(type: ExchangeType): void {
    if (this.#byName.has(type.name)) throw new Error(`exchange type '${type.name}' is registered already`);
    this.#byName.set(type.name, type);
  }

  /**
   * @throws BrokerError precondition-failed, as RabbitMQ 4 has it: AMQP 0-9-1 (exchange.declare, rule 12) and older
   * RabbitMQs end the whole connection for this mistake.
   */
  get(name: string): ExchangeType {
    const type = this.#byName.get(name);
    if (type !== undefined) return type;
    const known = this.names();
    throw new BrokerError(
      'precondition-failed',
      `unknown exchange type '${name}'${didYouMean(name, known)}; there are ${known.join(', ')}`,
    );
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }
}
