import { shardCount } from '../setting-types.ts';
import { setting } from './definition.ts';

/** How many cores of the processor are used. */
export const SHARDS = {
  shards: setting({
    key: 'shards',
    type: shardCount,
    default: 1,
    description:
      'How many shards the broker has, each with a thread, a journal and queues of its own; AMQP connections are spread over them. ' +
      'auto = one less than the machine has cores, 1 to 16. There may be more or fewer at a later start: with fewer it moves what is in the others first. See docs/shards.md.',
  }),
};
