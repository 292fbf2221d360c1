import { type GroupConfig, integer } from './share/share-settings.ts';

const SESSION = 'consumer.session.timeout.ms';
const HEARTBEAT = 'consumer.heartbeat.interval.ms';
const HOUR_MS = 60 * 60 * 1000;

/** What can be set for one group in which the broker divides the partitions. */
export const CONSUMER_CONFIGS: readonly GroupConfig[] = [
  integer(
    SESSION,
    45_000,
    1000,
    HOUR_MS,
    'How long a member may be silent before it is out of the consumer group.',
  ),
  integer(HEARTBEAT, 5000, 100, HOUR_MS, 'How often a member of a consumer group says that it is there.'),
];

/** `configs`: what is set for the group; valid. What is not set is as the settings of the broker say. */
export function consumerTimes(
  configs: ReadonlyMap<string, string>,
  usual: { readonly consumerSessionTimeoutMs: number; readonly heartbeatIntervalMs: number },
): { readonly sessionMs: number; readonly heartbeatMs: number } {
  return {
    sessionMs: Number(configs.get(SESSION) ?? usual.consumerSessionTimeoutMs),
    heartbeatMs: Number(configs.get(HEARTBEAT) ?? usual.heartbeatIntervalMs),
  };
}
