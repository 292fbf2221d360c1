import { alterConfigs } from '../../../wire/kafka/messages/configs.ts';
import { alterAll } from '../configs/alteration.ts';
import type { ApiHandler } from '../handler.ts';

/** Configs that the request does not name go back to their defaults; IncrementalAlterConfigs (KIP-339) leaves them. */
export const alterConfigsHandler: ApiHandler<typeof alterConfigs> = {
  api: alterConfigs,
  minVersion: 0,
  maxVersion: 2,
  home: 'controller',
  *handle({ resources, validateOnly }, context) {
    return { throttleTimeMs: 0, responses: yield* alterAll(resources, true, validateOnly, context) };
  },
};
