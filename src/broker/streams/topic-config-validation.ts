import { normalValue, problemOfValue } from './config-value.ts';
import { resolveSettings } from './stream-settings.ts';
import { topicConfig } from './topic-configs.ts';

/** What is wrong with one setting, in Kafka's words; null if nothing is. */
export function validateConfig(name: string, value: string): string | null {
  const config = topicConfig(name);
  if (config === undefined) return `Unknown topic config name: ${name}`;
  const problem = problemOfValue(config, value);
  return problem === null ? null : `Invalid value ${value} for configuration ${name}: ${problem}`;
}

/** What is wrong with all that is set for one stream; null if nothing is. */
export function validateConfigs(configs: ReadonlyMap<string, string>): string | null {
  for (const [name, value] of configs) {
    const problem = validateConfig(name, value);
    if (problem !== null) return problem;
  }
  const { compactionLagMsMin, compactionLagMsMax } = resolveSettings(configs);
  if (compactionLagMsMin > compactionLagMsMax) {
    return (
      `conflict topic config setting min.compaction.lag.ms (${compactionLagMsMin}) > ` +
      `max.compaction.lag.ms (${compactionLagMsMax})`
    );
  }
  if (configs.get('remote.storage.enable')?.trim().toLowerCase() === 'true') {
    return (
      'Tiered Storage functionality is disabled in the broker. ' +
      'Topic cannot be configured with remote log storage.'
    );
  }
  return null;
}

/** As it is kept and shown. */
export function normalizeConfig(name: string, value: string): string {
  const config = topicConfig(name);
  return config === undefined ? value.trim() : normalValue(config, value);
}
