import type { Table } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import type { RoutedMessage } from '../messages/property-codec.ts';
import type { BindingPattern, ExchangeType } from './type.ts';

const delayHeader = 'x-delay';

/** The longest delay that RabbitMQ's plugin knows, in milliseconds: beyond it a message is not delayed at all. */
const DELAY_MS_MAX = 0xffffffff;

/**
 * `x-delayed-message`: routes like the type that its argument `x-delayed-type` names, but a message with the header
 * `x-delay` waits that many milliseconds first. It is routed when the time has come, with the bindings of then. That
 * messages wait is the topology's doing (`routing.ts`); what is here is the rest of the type. `typeNamed` finds the type
 * that it routes like. @throws BrokerError precondition-failed if there is none
 */
export function delayedMessageExchange(typeNamed: (name: string) => ExchangeType): ExchangeType {
  const innerType = (args: Table): ExchangeType => {
    const name = args['x-delayed-type'];
    if (typeof name === 'string' && name !== 'x-delayed-message') return typeNamed(name);
    throw new BrokerError(
      'precondition-failed',
      name === 'x-delayed-message'
        ? "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'"
        : "Invalid argument, 'x-delayed-type' must be an existing exchange type",
    );
  };
  return {
    name: 'x-delayed-message',
    comparedArguments: ['x-delayed-type'],
    delays: true,
    validate: (args) => innerType(args).validate?.(args),
    validateBinding: (routingKey, args, exchangeArguments) =>
      innerType(exchangeArguments).validateBinding?.(routingKey, args, exchangeArguments),
    createRouter: <B extends BindingPattern>(exchangeArguments: Table) =>
      innerType(exchangeArguments).createRouter<B>(exchangeArguments),
  };
}

/**
 * How long the message asks to wait, in milliseconds; -1 for not at all. As in the plugin, a text that is a number is
 * taken as one, of a fraction the whole part counts, and a negative number marks what has waited already.
 */
export function delayOf(message: RoutedMessage): number {
  const header = message.headers()?.[delayHeader];
  const isNumber =
    typeof header === 'number' ||
    typeof header === 'bigint' ||
    (typeof header === 'string' && /^[+-]?[0-9]+$/.test(header));
  const delayMs = isNumber ? Math.trunc(Number(header)) : -1;
  return delayMs > 0 && delayMs <= DELAY_MS_MAX ? delayMs : -1;
}
