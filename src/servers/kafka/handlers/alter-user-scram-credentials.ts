import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import {
  SCRAM_ITERATIONS_MAX,
  SCRAM_ITERATIONS_MIN,
  type ScramMechanism,
  scramCredential,
  scramKeyBytes,
} from '../../../broker/access/scram.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { SCRAM_MECHANISM } from '../../../wire/kafka/constants.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { alterUserScramCredentials } from '../../../wire/kafka/messages/scram.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof alterUserScramCredentials>;
type Deletion = Request['deletions'][number];
type Upsertion = Request['upsertions'][number];

interface Problem {
  readonly error: ErrorName;
  readonly text: string;
}

const MECHANISMS: ReadonlyMap<number, ScramMechanism> = new Map([
  [SCRAM_MECHANISM.SCRAM_SHA_256, 'SCRAM-SHA-256'],
  [SCRAM_MECHANISM.SCRAM_SHA_512, 'SCRAM-SHA-512'],
]);
const NAME_BYTES_MAX = 255;
const SALT_BYTES_MAX = 1024;

/** KIP-554. All alterations of one user are applied, or none. */
export const alterUserScramCredentialsHandler: ApiHandler<typeof alterUserScramCredentials> = {
  api: alterUserScramCredentials,
  minVersion: 0,
  maxVersion: 0,
  async handle({ deletions, upsertions }, context) {
    const names = new Set([...deletions, ...upsertions].map(({ name }) => name));
    const results = Array.from(names, async (user) => {
      const problem = await alter(
        user,
        deletions.filter(({ name }) => name === user),
        upsertions.filter(({ name }) => name === user),
        context,
      );
      return { user, errorCode: ERROR_CODES[problem?.error ?? 'NONE'], errorMessage: problem?.text ?? null };
    });
    return { throttleTimeMs: 0, results: await Promise.all(results) };
  },
};

async function alter(
  user: string,
  deletions: readonly Deletion[],
  upsertions: readonly Upsertion[],
  { client, broker }: RequestContext,
): Promise<Problem | null> {
  const { access, events } = broker;
  // Otherwise a user who may alter the cluster could become an administrator, by setting an administrator's password.
  const isTheirs = access.isAdministrator(user) && client.identity?.user.tags.has('administrator') !== true;
  if (isTheirs || !client.mayRule('alter', 'cluster', CLUSTER_NAME)) {
    return { error: 'CLUSTER_AUTHORIZATION_FAILED', text: 'Cluster authorization failed.' };
  }
  const problem = problemOf(user, deletions, upsertions);
  if (problem !== null) return problem;
  const deleted = deletions.map(({ mechanism }) => MECHANISMS.get(mechanism) as ScramMechanism);
  const set = upsertions.map(({ mechanism, salt, iterations, saltedPassword }) =>
    scramCredential(MECHANISMS.get(mechanism) as ScramMechanism, salt, iterations, saltedPassword),
  );
  try {
    await events.as(client.actor, () => access.credentials.alter(user, deleted, set, client.vhost));
    return null;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { error: 'RESOURCE_NOT_FOUND', text: 'Attempt to delete a user credential that does not exist' };
  }
}

function problemOf(
  user: string,
  deletions: readonly Deletion[],
  upsertions: readonly Upsertion[],
): Problem | null {
  const nameBytes = Buffer.byteLength(user);
  if (nameBytes === 0) return unacceptable('Username must not be empty');
  if (nameBytes > NAME_BYTES_MAX) return unacceptable('Username is too long');
  const mechanisms = [...deletions, ...upsertions].map(({ mechanism }) => mechanism);
  if (new Set(mechanisms).size < mechanisms.length) {
    const text = 'A user credential cannot be altered twice in the same request';
    return { error: 'DUPLICATE_RESOURCE', text };
  }
  for (const code of mechanisms) {
    if (!MECHANISMS.has(code)) {
      return { error: 'UNSUPPORTED_SASL_MECHANISM', text: 'Unknown SCRAM mechanism' };
    }
  }
  for (const { mechanism, iterations, salt, saltedPassword } of upsertions) {
    if (iterations < SCRAM_ITERATIONS_MIN) return unacceptable('Too few iterations');
    if (iterations > SCRAM_ITERATIONS_MAX) return unacceptable('Too many iterations');
    if (salt.length === 0 || salt.length > SALT_BYTES_MAX)
      return unacceptable('The salt is empty or too long');
    const bytes = scramKeyBytes(MECHANISMS.get(mechanism) as ScramMechanism);
    if (saltedPassword.length !== bytes)
      return unacceptable(`The salted password has to have ${bytes} bytes`);
  }
  return null;
}

function unacceptable(text: string): Problem {
  return { error: 'UNACCEPTABLE_CREDENTIAL', text };
}
