import { awaited, mappedBy, type Work, walked } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import {
  SCRAM_ITERATIONS_MAX,
  SCRAM_ITERATIONS_MIN,
  type ScramMechanism,
  scramCredential,
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
/** Each login sends it to the client. */
const SALT_BYTES_MAX = 65_536;

/** KIP-554. A user who is altered twice is refused, the others are altered. */
export const alterUserScramCredentialsHandler: ApiHandler<typeof alterUserScramCredentials> = {
  api: alterUserScramCredentials,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ deletions, upsertions }, context) {
    const results = yield* mappedBy(yield* byUser(deletions, upsertions), function* ofUser([user, wanted]) {
      const problem = yield* awaited(alter(user, wanted.deletions, wanted.upsertions, context));
      return { user, errorCode: ERROR_CODES[problem?.error ?? 'NONE'], errorMessage: problem?.text ?? null };
    });
    return { throttleTimeMs: 0, results };
  },
};

interface Alterations {
  readonly deletions: Deletion[];
  readonly upsertions: Upsertion[];
}

function* byUser(
  deletions: readonly Deletion[],
  upsertions: readonly Upsertion[],
): Work<Map<string, Alterations>> {
  const users = new Map<string, Alterations>();
  const of = (name: string): Alterations => {
    const known = users.get(name) ?? { deletions: [], upsertions: [] };
    users.set(name, known);
    return known;
  };
  yield* walked(deletions, (each) => of(each.name).deletions.push(each));
  yield* walked(upsertions, (each) => of(each.name).upsertions.push(each));
  return users;
}

async function alter(
  user: string,
  deletions: readonly Deletion[],
  upsertions: readonly Upsertion[],
  { client, broker }: RequestContext,
): Promise<Problem | null> {
  const { access, events } = broker;
  // Otherwise a user who may alter the cluster could become an administrator, by setting an administrator's password.
  const isTheirs = access.isAdministrator(user) && client.identity?.authorizer.isAdministrator !== true;
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
  for (const { mechanism } of [...deletions, ...upsertions]) {
    if (!MECHANISMS.has(mechanism)) {
      return { error: 'UNSUPPORTED_SASL_MECHANISM', text: 'Unknown SCRAM mechanism' };
    }
  }
  for (const { iterations, salt, saltedPassword } of upsertions) {
    if (iterations < SCRAM_ITERATIONS_MIN) return unacceptable('Too few iterations');
    if (iterations > SCRAM_ITERATIONS_MAX) return unacceptable('Too many iterations');
    if (salt.length > SALT_BYTES_MAX) return unacceptable(`The salt has more than ${SALT_BYTES_MAX} bytes`);
    // A key of HMAC has any length, also one that its hash does not make (RFC 2104); an empty one would let anybody in.
    if (saltedPassword.length === 0) return unacceptable('The salted password is empty');
  }
  // In whatever mechanisms.
  if (deletions.length + upsertions.length > 1) {
    const text = 'A user credential cannot be altered twice in the same request';
    return { error: 'DUPLICATE_RESOURCE', text };
  }
  return null;
}

function unacceptable(text: string): Problem {
  return { error: 'UNACCEPTABLE_CREDENTIAL', text };
}
