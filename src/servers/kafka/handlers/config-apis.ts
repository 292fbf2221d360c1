import type { AnyHandler } from '../handler.ts';
import { alterConfigsHandler } from './alter-configs.ts';
import { describeConfigsHandler } from './describe-configs.ts';
import { incrementalAlterConfigsHandler } from './incremental-alter-configs.ts';
import { listConfigResourcesHandler } from './list-config-resources.ts';

/** Configs. */
export const configApis: readonly AnyHandler[] = [
  describeConfigsHandler,
  alterConfigsHandler,
  incrementalAlterConfigsHandler,
  listConfigResourcesHandler,
];
