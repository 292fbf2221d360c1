import { ExpectedError } from '../../base/expected-error.ts';
import { BrokerError, type BrokerErrorKind } from '../../broker/errors.ts';
import { REPLY_CODES, type ReplyCode, type ReplyName, replyName } from '../../wire/amqp091/constants.ts';
import { WIRE_REPLY_CODES, WireError } from '../../wire/amqp091/errors.ts';
import { truncateShortString } from '../../wire/amqp091/short-strings.ts';

/** An error that closes the channel or the connection. The reply text is `replyName - message`. */
export class AmqpError extends ExpectedError {
  readonly replyName: ReplyName;
  /** Class id << 16 | method id of the method that failed; 0 for none, null for that of the frame at hand. */
  readonly method: number | null;

  constructor(replyName: ReplyName, message: string, method: number | null = null) {
    super(message);
    this.name = 'AmqpError';
    this.replyName = replyName;
    this.method = method;
  }
}

/** The arguments of channel.close (AMQP 1.5.2.5) or connection.close (AMQP 1.4.2.9). */
export interface CloseReason {
  readonly replyCode: ReplyCode;
  /** `NOT_FOUND - no queue 'q' in vhost '/'`: RabbitMQ's texts, which clients match on. */
  readonly replyText: string;
  readonly classId: number;
  readonly methodId: number;
  /** A connection error, not a channel error. */
  readonly isHard: boolean;
}

const BROKER_REPLY_NAMES = {
  'not-found': 'NOT_FOUND',
  'access-refused': 'ACCESS_REFUSED',
  'precondition-failed': 'PRECONDITION_FAILED',
  'resource-locked': 'RESOURCE_LOCKED',
  'not-allowed': 'NOT_ALLOWED',
  'resource-error': 'RESOURCE_ERROR',
  // Not RESOURCE_ERROR, which would end the connection and all that is consumed on it. RabbitMQ does the same.
  'limit-reached': 'PRECONDITION_FAILED',
  'resource-short': 'PRECONDITION_FAILED',
  'not-implemented': 'NOT_IMPLEMENTED',
  'internal-error': 'INTERNAL_ERROR',
} as const satisfies Record<BrokerErrorKind, ReplyName>;

/** AMQP 1.2: the reply codes that are channel errors. All others are connection errors. */
const CHANNEL_ERRORS: ReadonlySet<ReplyCode> = new Set<ReplyCode>([
  REPLY_CODES.CONTENT_TOO_LARGE,
  REPLY_CODES.NO_ROUTE,
  REPLY_CODES.NO_CONSUMERS,
  REPLY_CODES.ACCESS_REFUSED,
  REPLY_CODES.NOT_FOUND,
  REPLY_CODES.RESOURCE_LOCKED,
  REPLY_CODES.PRECONDITION_FAILED,
]);

/** `method`: class id << 16 | method id of the method that failed; 0 for none. */
export function closeReason(name: ReplyName, message: string, method = 0): CloseReason {
  const replyCode = REPLY_CODES[name];
  return {
    replyCode,
    replyText: truncateShortString(`${name} - ${message}`),
    classId: method >>> 16,
    methodId: method & 0xffff,
    isHard: !CHANNEL_ERRORS.has(replyCode),
  };
}

/** The close reason of any error. That of an unexpected one gives no details, which are in the log. */
export function closeReasonOf(error: unknown, method = 0): CloseReason {
  if (error instanceof BrokerError) return closeReason(BROKER_REPLY_NAMES[error.kind], error.message, method);
  if (error instanceof AmqpError) return closeReason(error.replyName, error.message, error.method ?? method);
  if (error instanceof WireError) {
    const name = replyName(WIRE_REPLY_CODES[error.kind]) ?? 'FRAME_ERROR';
    return closeReason(name, error.message, method);
  }
  return closeReason('INTERNAL_ERROR', 'an internal error, see the log of the broker', method);
}

/** Whether it is an answer to the client. All others are bugs: the log has them with their stack. */
export function isExpected(error: unknown): boolean {
  return error instanceof ExpectedError;
}
