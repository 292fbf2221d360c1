import { BrokerError, type BrokerErrorKind } from '../broker/errors.ts';

/** The response to a request that cannot be carried out: `{"error": "not_found", "reason": "…"}`, as in RabbitMQ. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, reason: string) {
    super(reason);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
  }
}

const OF_BROKER = {
  'not-found': [404, 'not_found'],
  'access-refused': [403, 'access_refused'],
  'precondition-failed': [400, 'bad_request'],
  'resource-locked': [409, 'resource_locked'],
  'not-allowed': [403, 'not_allowed'],
  'resource-error': [503, 'resource_error'],
  'limit-reached': [400, 'bad_request'],
  'resource-short': [503, 'resource_error'],
  'not-implemented': [501, 'not_implemented'],
  'internal-error': [500, 'internal_error'],
} as const satisfies Record<BrokerErrorKind, readonly [number, string]>;

export function badRequest(reason: string): HttpError {
  return new HttpError(400, 'bad_request', reason);
}

export function notFound(reason: string): HttpError {
  return new HttpError(404, 'not_found', reason);
}

/** Null for an error of the broker's own: its text is for the log, not for the client. */
export function httpErrorOf(error: unknown): HttpError | null {
  if (error instanceof HttpError) return error;
  if (!(error instanceof BrokerError)) return null;
  const [status, code] = OF_BROKER[error.kind];
  return new HttpError(status, code, error.message);
}
