import { incrementalAlterConfigs } from '../../../wire/kafka/messages/configs.ts';
import { alterAll } from '../configs/alteration.ts';
import type { ApiHandler } from '../handler.ts';

/** KIP-339: sets, deletes, appends to and subtracts from single configs. */
export const incrementalAlterConfigsHandler: ApiHandler<typeof incrementalAlterConfigs> = {
  api: incrementalAlterConfigs,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
  *handle({ resources, validateOnly }, context) {
    return { throttleTimeMs: 0, responses: yield* alterAll(resources, false, validateOnly, context) };
  },
};
