import { KindError } from '../../base/expected-error.ts';

/**
 * Malformed bytes. Every kind ends the connection (AMQP 4.2.3, 4.8.1); the edge translates it with `WIRE_REPLY_CODES`.
 * - `frame-error` (501): the framing itself is broken;
 * - `unexpected-frame` (505, as RabbitMQ has it; AMQP 4.2.7 would have 501): a good frame in the wrong place;
 * - `syntax-error` (501, as RabbitMQ has it; AMQP would have 502): a field of a well-framed method or header is
 *   impossible;
 * - `command-invalid` (503): the method is not one of AMQP 0-9-1 with RabbitMQ's extensions.
 */
export type WireErrorKind = 'frame-error' | 'unexpected-frame' | 'syntax-error' | 'command-invalid';

export class WireError extends KindError<WireErrorKind> {
  override name = 'WireError';
}

/** The reply code of connection.close for each kind. */
export const WIRE_REPLY_CODES = {
  'frame-error': 501,
  'unexpected-frame': 505,
  'syntax-error': 501,
  'command-invalid': 503,
} as const satisfies Record<WireErrorKind, number>;
