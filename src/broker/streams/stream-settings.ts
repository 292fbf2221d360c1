export type TimestampType = 'CreateTime' | 'LogAppendTime';

/** What holds for a stream. */
export interface StreamSettings {
  readonly maxMessageBytes: number;
  readonly timestampType: TimestampType;
}

const MAX_MESSAGE_BYTES = 1_048_588;

/** From what was set, by Kafka's names, with Kafka's defaults for the rest. */
export function resolveSettings(configs: ReadonlyMap<string, string>): StreamSettings {
  return {
    maxMessageBytes: Number(configs.get('max.message.bytes') ?? MAX_MESSAGE_BYTES),
    timestampType: configs.get('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
  };
}
