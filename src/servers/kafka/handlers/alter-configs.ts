import { mapped } from '../../../base/turn-time.ts';
import { CONFIG_OPERATION } from '../../../wire/kafka/constants.ts';
import { alterConfigs } from '../../../wire/kafka/messages/configs.ts';
import { alterAll } from '../configs/alteration.ts';
import type { ApiHandler } from '../handler.ts';

/** Configs that the request does not name go back to their defaults; IncrementalAlterConfigs (KIP-339) leaves them. */
export const alterConfigsHandler: ApiHandler<typeof alterConfigs> = {
  api: alterConfigs,
  minVersion: 0,
  maxVersion: 2,
  *handle({ resources, validateOnly }, context) {
    const alterations = yield* mapped(resources, ({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      changes: configs.map(({ name, value }) => ({ name, value, operation: CONFIG_OPERATION.SET })),
    }));
    return { throttleTimeMs: 0, responses: yield* alterAll(alterations, true, validateOnly, context) };
  },
};
