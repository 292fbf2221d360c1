import { ExpectedError } from '../../base/expected-error.ts';
import { BrokerError, type BrokerErrorKind } from '../../broker/errors.ts';
import { REPLY_CODES, type ReplyCode, type ReplyName, replyName } from '../../wire/amqp091/constants.ts';
import { WIRE_REPLY_CODES, WireError } from '../../wire/amqp091/errors.ts';
import { truncateShortString } from '../../wire/amqp091/short-strings.ts';

/** Something that ends a channel or the connection, found by this layer. The text goes behind the code's name. */
export class AmqpError extends ExpectedError {
  readonly replyName: ReplyName;
  /** The method that failed, if it is not the one in the frame at hand; 0 for none. */
  readonly method: number | null;

  constructor(replyName: ReplyName, message: string, method: number | null = null) {
    super(message);
    this.name = 'AmqpError';
    this.replyName = replyName;
    this.method = method;
  }
}

/** What channel.close or connection.close says. */
export interface CloseReason {
  readonly replyCode: ReplyCode;
  /** `NOT_FOUND - no queue 'q' in vhost '/'`: clients match on these texts, which are RabbitMQ's. */
  readonly replyText: string;
  readonly classId: number;
  readonly methodId: number;
  /** Whether the connection ends, and not the channel alone. */
  readonly isHard: boolean;
}

const BROKER_REPLY_NAMES = {
  'not-found': 'NOT_FOUND',
  'access-refused': 'ACCESS_REFUSED',
  'precondition-failed': 'PRECONDITION_FAILED',
  'resource-locked': 'RESOURCE_LOCKED',
  'not-allowed': 'NOT_ALLOWED',
  'resource-error': 'RESOURCE_ERROR',
  'not-implemented': 'NOT_IMPLEMENTED',
  'internal-error': 'INTERNAL_ERROR',
} as const satisfies Record<BrokerErrorKind, ReplyName>;

/** AMQP 1.2: the codes that the specification calls channel errors. All others are connection errors. */
const SOFT: ReadonlySet<ReplyCode> = new Set<ReplyCode>([
  REPLY_CODES.CONTENT_TOO_LARGE,
  REPLY_CODES.NO_ROUTE,
  REPLY_CODES.NO_CONSUMERS,
  REPLY_CODES.ACCESS_REFUSED,
  REPLY_CODES.NOT_FOUND,
  REPLY_CODES.RESOURCE_LOCKED,
  REPLY_CODES.PRECONDITION_FAILED,
]);

/** `method` is the id of the one that failed, class in the upper 16 bits; 0 if there is none. */
export function closeReason(name: ReplyName, message: string, method = 0): CloseReason {
  const replyCode = REPLY_CODES[name];
  return {
    replyCode,
    replyText: truncateShortString(`${name} - ${message}`),
    classId: method >>> 16,
    methodId: method & 0xffff,
    isHard: !SOFT.has(replyCode),
  };
}

/** What the client is told of an error. Of an unexpected one it learns nothing about our insides. */
export function closeReasonOf(error: unknown, method = 0): CloseReason {
  if (error instanceof BrokerError) return closeReason(BROKER_REPLY_NAMES[error.kind], error.message, method);
  if (error instanceof AmqpError) return closeReason(error.replyName, error.message, error.method ?? method);
  if (error instanceof WireError) {
    const name = replyName(WIRE_REPLY_CODES[error.kind]) ?? 'FRAME_ERROR';
    return closeReason(name, error.message, method);
  }
  return closeReason('INTERNAL_ERROR', 'an internal error, see the log of the broker', method);
}

/** Whether somebody foresaw this error; all others belong into the log with their stack. */
export function isExpected(error: unknown): boolean {
  return error instanceof ExpectedError;
}
