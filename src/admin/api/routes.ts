import type { Route } from '../router.ts';
import { aclRoutes } from './acls.ts';
import { bindingRoutes } from './bindings.ts';
import { connectionRoutes } from './connections.ts';
import { eventRoutes } from './events.ts';
import { exchangeRoutes } from './exchanges.ts';
import { groupRoutes } from './groups.ts';
import { objectRoutes } from './objects.ts';
import { overviewRoutes } from './overview.ts';
import { policyRoutes } from './policies.ts';
import { queueRoutes } from './queues.ts';
import { quotaRoutes } from './quotas.ts';
import { streamRoutes } from './streams.ts';
import { userRoutes } from './users.ts';
import { vhostRoutes } from './vhosts.ts';

/** All routes of the HTTP API. */
export const routes: readonly Route[] = [
  ...overviewRoutes,
  ...vhostRoutes,
  ...userRoutes,
  ...objectRoutes,
  ...aclRoutes,
  ...quotaRoutes,
  ...exchangeRoutes,
  ...queueRoutes,
  ...streamRoutes,
  ...bindingRoutes,
  ...policyRoutes,
  ...groupRoutes,
  ...connectionRoutes,
  ...eventRoutes,
];
