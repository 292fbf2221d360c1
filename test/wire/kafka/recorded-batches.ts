import { readFileSync } from 'node:fs';

/**
 * Batches as other libraries make them, each with its compression: kafka-clients 4.2.0 (producer 4242 of epoch 3, from
 * sequence number 19), kafkajs, @platformatic/kafka, kafka-python, aiokafka, and blocks of compression libraries for
 * what those do not use. All have the same records, of which `recordOf` tells what they are.
 */
export interface RecordedBatch {
  readonly name: string;
  readonly recordCount: number;
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

export const RECORDED_BATCHES: readonly RecordedBatch[] = readFileSync(
  new URL('batches.tsv', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [name, recordCount, baseOffset, bytes] = line.split('\t');
    return {
      name,
      recordCount: Number(recordCount),
      baseOffset: Number(baseOffset),
      bytes: Buffer.from(bytes, 'base64'),
    };
  });

export interface PlainRecord {
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

export function recordOf(index: number): PlainRecord {
  return {
    timestampMs: 1_700_000_000_000 + index * 1000 - (index % 3) * 5000,
    key: index % 5 === 4 ? null : `key-${index % 7}`,
    value: index % 11 === 10 ? null : `value ${index} `.repeat((index % 20) + 1),
    headers: index % 4 === 0 ? [['number', String(index)]] : [],
  };
}

export function recordedBatch(name: string): RecordedBatch {
  const batch = RECORDED_BATCHES.find((candidate) => candidate.name === name);
  if (batch === undefined) throw new Error(`no batch of ${name} was recorded`);
  return batch;
}
