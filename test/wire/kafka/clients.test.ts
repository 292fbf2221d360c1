import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  encodeRequest,
  FRAME_LENGTH_BYTES,
} from '../../../src/wire/kafka/headers.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { findProducedFault } from '../../../src/wire/kafka/produced-batch.ts';

/**
 * Requests as clients sent them to a broker, without their length: kafka-clients 4.2.0, librdkafka, kafkajs,
 * @platformatic/kafka, kafka-python and aiokafka. A line has the client and the frame in base64.
 */
const requests = readFileSync(new URL('requests.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [client, frame] = line.split('\t');
    const bytes = Buffer.from(frame, 'base64');
    const header = decodeRequestHeader(bytes, 0, bytes.length);
    assert.ok(header.api !== undefined);
    return { client, bytes, header, api: header.api };
  });

describe('a request that a client sent', () => {
  for (const { client, bytes, header, api } of requests) {
    const { apiVersion, bodyStart, correlationId, clientId } = header;
    test(`is read, and written again as it was: ${client}, ${api.name} v${apiVersion}`, () => {
      const body = decodeRequest(api, apiVersion, bytes, bodyStart, bytes.length);
      const writer = new ByteWriter();
      encodeRequest(writer, api, apiVersion, correlationId, clientId, body);
      assert.deepEqual(Buffer.concat(writer.take()).subarray(FRAME_LENGTH_BYTES), bytes);
    });
  }

  test('may be followed by bytes that mean nothing: librdkafka asks for all topics so', () => {
    const body = Buffer.from([0, 0, 0, 0, 1, 0, 0]);
    const { topics, allowAutoTopicCreation } = decodeRequest(metadata, 13, body, 0, body.length);
    assert.equal(topics, null);
    assert.equal(allowAutoTopicCreation, false);
  });

  test('to produce has a batch without fault', () => {
    const seen = new Set<string>();
    for (const { client, bytes, header, api } of requests) {
      if (api !== produce) continue;
      const body = decodeRequest(produce, header.apiVersion, bytes, header.bodyStart, bytes.length);
      const { records } = body.topicData[0].partitionData[0];
      assert.ok(records !== null);
      assert.equal(findProducedFault(records.bytes, records.start, records.end), null, client);
      seen.add(client);
    }
    assert.equal(seen.size, 6);
  });
});
