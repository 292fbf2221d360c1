import { mapped } from '../../../base/turn-time.ts';
import { tally } from '../../../base/work-collections.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { SCRAM_MECHANISMS } from '../../../broker/access/scram.ts';
import { SCRAM_MECHANISM } from '../../../wire/kafka/constants.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { describeUserScramCredentials } from '../../../wire/kafka/messages/scram.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Result = ResponseInput<typeof describeUserScramCredentials>['results'][number];

const CODES = {
  'SCRAM-SHA-256': SCRAM_MECHANISM.SCRAM_SHA_256,
  'SCRAM-SHA-512': SCRAM_MECHANISM.SCRAM_SHA_512,
} as const;

/** KIP-554: of the named users, or of all with SCRAM credentials. Users are not of one virtual host. */
export const describeUserScramCredentialsHandler: ApiHandler<typeof describeUserScramCredentials> = {
  api: describeUserScramCredentials,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ users }, context) {
    if (!context.client.mayRule('describe', 'cluster', CLUSTER_NAME)) {
      return {
        throttleTimeMs: 0,
        errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED,
        errorMessage: 'Cluster authorization failed.',
        results: [],
      };
    }
    const isAll = users === null || users.length === 0;
    const counts = isAll
      ? yield* tally(context.broker.access.credentials.names(), (name) => name)
      : yield* tally(users, ({ name }) => name);
    const results = yield* mapped(counts, ([name, count]) =>
      count > 1 ? twice(name) : describe(name, context),
    );
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, errorMessage: null, results };
  },
};

function describe(user: string, { broker }: RequestContext): Result {
  const credentials = broker.access.credentials.of(user) ?? {};
  const credentialInfos = SCRAM_MECHANISMS.flatMap((mechanism) => {
    const credential = credentials[mechanism];
    return credential === undefined
      ? []
      : [{ mechanism: CODES[mechanism], iterations: credential.iterations }];
  });
  if (credentialInfos.length > 0) {
    return { user, errorCode: ERROR_CODES.NONE, errorMessage: null, credentialInfos };
  }
  const errorMessage = `Attempt to describe a user credential that does not exist: ${user}`;
  return { user, errorCode: ERROR_CODES.RESOURCE_NOT_FOUND, errorMessage, credentialInfos: [] };
}

function twice(user: string): Result {
  const errorMessage = `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`;
  return { user, errorCode: ERROR_CODES.DUPLICATE_RESOURCE, errorMessage, credentialInfos: [] };
}
