import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { APIS } from '../../../src/wire/kafka/apis.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import type { Fields, FieldType, Message } from '../../../src/wire/kafka/declaration.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/wire/kafka/messages/consumer-protocol.ts';
import { decodeMessage, encodeMessage } from '../../../src/wire/kafka/messages.ts';

/**
 * Messages with random contents, at least one for each version, as the Java classes of kafka-clients 4.2.0 write them;
 * Produce and Fetch in versions that it has given up, as kafkajs 2.2.4 writes them.
 * A line has the name, the version, the bytes in base64, and the contents in JSON as Kafka's own converter takes them:
 * bytes and records in base64, and no field that the version does not have.
 */
interface Recorded {
  readonly message: Message;
  readonly version: number;
  readonly bytes: Buffer;
  readonly contents: unknown;
}

const messages = new Map<string, Message>([
  ...APIS.flatMap((api): [string, Message][] => [
    [`${api.name}Request`, api.request],
    [`${api.name}Response`, api.response],
  ]),
  ...[consumerProtocolSubscription, consumerProtocolAssignment].map((m): [string, Message] => [m.name, m]),
]);

const recorded: readonly Recorded[] = readFileSync(new URL('messages.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [name, version, bytes, json] = line.split('\t');
    const message = messages.get(name);
    assert.ok(message !== undefined, `${name} is not declared`);
    const contents = ours(JSON.parse(json), message.fields);
    return { message, version: Number(version), bytes: Buffer.from(bytes, 'base64'), contents };
  });

/** JSON with its base64 as bytes. */
function ours(json: Record<string, unknown>, fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      assert.ok(Object.hasOwn(fields, name), `there is no field ${name}`);
      return [name, oursOfType(value, fields[name].type)];
    }),
  );
}

function oursOfType(json: unknown, type: FieldType): unknown {
  if (json === null) return null;
  if (type.kind === 'bytes' || type.kind === 'records') return Buffer.from(json as string, 'base64');
  if (type.kind === 'array') return (json as unknown[]).map((item) => oursOfType(item, type.of));
  if (type.kind === 'struct') return ours(json as Record<string, unknown>, type.fields);
  return json;
}

/** Records as bytes, and of `value` only what `model` has too. */
function asIn(model: unknown, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || model === null || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map((item, index) => asIn((model as unknown[])[index], item));
  if (Buffer.isBuffer(model)) {
    const { bytes, start, end } = value as { bytes: Buffer; start: number; end: number };
    return bytes.subarray(start, end);
  }
  const fields = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(model as object).map(([name, item]) => [name, asIn(item, fields[name])]),
  );
}

/** Responses that only old brokers gave, and one that kafka-clients does not know yet. */
function isOlderOrNewer({ name }: Message, version: number): boolean {
  if (name === 'Produce response') return version < 3;
  if (name === 'Fetch response') return version < 4;
  return name.startsWith('DescribeLogDirs ') && version === 5;
}

describe('messages recorded from other libraries', () => {
  test('are of every version that is declared', () => {
    const seen = new Set(recorded.map(({ message, version }) => `${message.name} v${version}`));
    for (const message of messages.values()) {
      for (let version = message.versions.min; version <= message.versions.max; version++) {
        if (isOlderOrNewer(message, version)) continue;
        assert.ok(seen.has(`${message.name} v${version}`), `${message.name} v${version}`);
      }
    }
  });

  test('are read as what was written', () => {
    for (const { message, version, bytes, contents } of recorded) {
      const decoded = decodeMessage(message, version, bytes, 0, bytes.length);
      assert.deepEqual(asIn(contents, decoded), contents, `${message.name} v${version}`);
    }
  });

  test('are written byte for byte as they were', () => {
    for (const { message, version, bytes, contents } of recorded) {
      const writer = new ByteWriter();
      encodeMessage(writer, message, version, contents as Record<string, unknown>);
      const written = Buffer.concat(writer.take());
      assert.equal(written.toString('hex'), bytes.toString('hex'), `${message.name} v${version}`);
    }
  });

  test('are written byte for byte as they were when what was read is given back', () => {
    for (const { message, version, bytes } of recorded) {
      const writer = new ByteWriter();
      encodeMessage(writer, message, version, decodeMessage(message, version, bytes, 0, bytes.length));
      assert.equal(Buffer.concat(writer.take()).toString('hex'), bytes.toString('hex'));
    }
  });
});
