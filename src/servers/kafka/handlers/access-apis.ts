import type { AnyHandler } from '../handler.ts';
import { alterClientQuotasHandler } from './alter-client-quotas.ts';
import { alterUserScramCredentialsHandler } from './alter-user-scram-credentials.ts';
import { createAclsHandler } from './create-acls.ts';
import { deleteAclsHandler } from './delete-acls.ts';
import { describeAclsHandler } from './describe-acls.ts';
import { describeClientQuotasHandler } from './describe-client-quotas.ts';
import { describeUserScramCredentialsHandler } from './describe-user-scram-credentials.ts';

/** Access control and quotas. */
export const accessApis: readonly AnyHandler[] = [
  describeAclsHandler,
  createAclsHandler,
  deleteAclsHandler,
  describeClientQuotasHandler,
  alterClientQuotasHandler,
  describeUserScramCredentialsHandler,
  alterUserScramCredentialsHandler,
];
