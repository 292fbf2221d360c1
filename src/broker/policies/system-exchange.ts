/** How the names begin of exchanges that the broker alone writes to: its events, and copies of traced messages. */
export const SYSTEM_EXCHANGE_PREFIX = 'amq.rabbitmq.';

/**
 * Whoever reads there relies on it that the broker wrote it. So clients can neither publish there nor have anything lead
 * there: no binding, no alternate or dead-letter exchange. The names are reserved, and nobody can declare more of them.
 */
export function isSystemExchange(name: string): boolean {
  return name.startsWith(SYSTEM_EXCHANGE_PREFIX);
}
