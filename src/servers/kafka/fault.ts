import { BrokerError } from '../../broker/errors.ts';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';

/** Why a part of a request is refused. Texts are those that Kafka's users know, where Kafka has one. */
export interface Fault {
  readonly error: ErrorName;
  readonly text: string | null;
}

export function fault(error: ErrorName, text: string | null = null): Fault {
  return { error, text: text ?? USUAL_TEXTS[error] ?? null };
}

/** As most responses have it. */
export function codesOf(found: Fault | null): {
  readonly errorCode: number;
  readonly errorMessage: string | null;
} {
  if (found === null) return { errorCode: ERROR_CODES.NONE, errorMessage: null };
  return { errorCode: ERROR_CODES[found.error], errorMessage: found.text };
}

/** What the broker does not want. Rethrows everything else. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof BrokerError)) throw error;
  return fault('POLICY_VIOLATION', error.message);
}

const USUAL_TEXTS: { readonly [error in ErrorName]?: string } = {
  TOPIC_AUTHORIZATION_FAILED: 'Topic authorization failed.',
  CLUSTER_AUTHORIZATION_FAILED: 'Cluster authorization failed.',
  GROUP_AUTHORIZATION_FAILED: 'Group authorization failed.',
  UNKNOWN_TOPIC_OR_PARTITION: 'This server does not host this topic-partition.',
  UNKNOWN_TOPIC_ID: 'This server does not host this topic ID.',
};
