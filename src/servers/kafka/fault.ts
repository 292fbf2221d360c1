import { BrokerError } from '../../broker/errors.ts';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';

/** Error code and message for one entry of a response. Where Kafka has a message, it is Kafka's. */
export interface Fault {
  readonly error: ErrorName;
  readonly text: string | null;
}

export function fault(error: ErrorName, text: string | null = null): Fault {
  return { error, text: text ?? USUAL_TEXTS[error] ?? null };
}

/** The fields of most responses; NONE for null. */
export function codesOf(found: Fault | null): {
  readonly errorCode: number;
  readonly errorMessage: string | null;
} {
  if (found === null) return { errorCode: ERROR_CODES.NONE, errorMessage: null };
  return { errorCode: ERROR_CODES[found.error], errorMessage: found.text };
}

/** POLICY_VIOLATION for a BrokerError, or an error after which clients try again. Rethrows everything else. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof BrokerError)) throw error;
  return fault(error.kind === 'resource-short' ? 'REQUEST_TIMED_OUT' : 'POLICY_VIOLATION', error.message);
}

const USUAL_TEXTS: { readonly [error in ErrorName]?: string } = {
  TOPIC_AUTHORIZATION_FAILED: 'Topic authorization failed.',
  CLUSTER_AUTHORIZATION_FAILED: 'Cluster authorization failed.',
  GROUP_AUTHORIZATION_FAILED: 'Group authorization failed.',
  UNKNOWN_TOPIC_OR_PARTITION: 'This server does not host this topic-partition.',
  UNKNOWN_TOPIC_ID: 'This server does not host this topic ID.',
};
