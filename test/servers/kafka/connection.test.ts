import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { KafkaTestServer } from './test-server.ts';

const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };

describe('a Kafka connection', () => {
  it('is told which APIs and versions are served, in every version of the question', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    for (let version = 0; version <= 4; version++) {
      const response = await client.request(apiVersions, version, SOFTWARE);
      assert.equal(errorName(response.errorCode), 'NONE');
      const own = response.apiKeys.find(({ apiKey }) => apiKey === apiVersions.key);
      assert.deepEqual(own, { apiKey: 18, minVersion: 0, maxVersion: 4 });
    }
  });
});
