import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import type { Acl } from '../../src/broker/access/acl.ts';
import { HANDLERS } from '../../src/servers/kafka/handlers/table.ts';
import { TrustedProxies } from '../../src/servers/listener/trusted-proxies.ts';
import type { Api } from '../../src/wire/kafka/declaration.ts';
import { errorName } from '../../src/wire/kafka/error-codes.ts';
import { AccessServer } from './access-server.ts';

const CLUSTER = 'CLUSTER_AUTHORIZATION_FAILED';

/** What administers the broker or the rights of others, with a request that would do something. */
const ADMINISTRATION: { readonly [api: string]: { readonly [field: string]: unknown } } = {
  AlterUserScramCredentials: {
    deletions: [],
    upsertions: [
      {
        name: 'guest',
        mechanism: 1,
        iterations: 4096,
        salt: Buffer.alloc(16),
        saltedPassword: Buffer.alloc(32),
      },
      {
        name: 'new',
        mechanism: 1,
        iterations: 4096,
        salt: Buffer.alloc(16),
        saltedPassword: Buffer.alloc(32),
      },
    ],
  },
  CreateAcls: {
    creations: [
      {
        resourceType: 2,
        resourceName: 't',
        resourcePatternType: 3,
        principal: 'User:ANONYMOUS',
        host: '*',
        operation: 2,
        permissionType: 3,
      },
    ],
  },
  DeleteAcls: {
    filters: [
      {
        resourceTypeFilter: 1,
        resourceNameFilter: null,
        patternTypeFilter: 1,
        principalFilter: null,
        hostFilter: null,
        operation: 1,
        permissionType: 1,
      },
    ],
  },
  DescribeAcls: {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    patternTypeFilter: 1,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  },
  AlterClientQuotas: {
    entries: [
      {
        entity: [{ entityType: 'user', entityName: 'ada' }],
        ops: [{ key: 'producer_byte_rate', value: 1, remove: false }],
      },
    ],
    validateOnly: false,
  },
  DescribeUserScramCredentials: { users: null },
  IncrementalAlterConfigs: {
    resources: [
      {
        resourceType: 4,
        resourceName: '1',
        configs: [{ name: 'log.retention.ms', configOperation: 0, value: '1' }],
      },
    ],
    validateOnly: false,
  },
  AlterConfigs: {
    resources: [{ resourceType: 4, resourceName: '1', configs: [{ name: 'log.retention.ms', value: '1' }] }],
    validateOnly: false,
  },
  WriteTxnMarkers: {
    markers: [
      {
        producerId: 1,
        producerEpoch: 0,
        transactionResult: false,
        topics: [{ name: 't', partitionIndexes: [0] }],
        coordinatorEpoch: 0,
      },
    ],
  },
};

function codesIn(value: unknown, found: string[] = []): string[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const [field, inner] of Object.entries(value)) {
    if (field === 'errorCode') found.push(String(errorName(inner as number)));
    else codesIn(inner, found);
  }
  return found;
}

async function administer(test: AccessServer, isAllowed: boolean): Promise<void> {
  const client = await test.kafka(null);
  for (const [name, request] of Object.entries(ADMINISTRATION)) {
    const handler = HANDLERS.find(({ api }) => api.name === name) as
      | { api: Api; maxVersion: number }
      | undefined;
    assert.ok(handler !== undefined, name);
    const response = await client.request(handler.api, handler.maxVersion, request as never);
    const codes = codesIn(response).filter((code) => code !== 'NONE');
    assert.equal(codes.includes(CLUSTER), !isAllowed, `${name}: ${JSON.stringify(response)}`);
  }
  const { access } = test.broker;
  assert.equal(access.hasUser('new'), false);
  assert.ok(await access.authenticate('guest', 'guest', true), 'the password of guest is what it was');
  assert.deepEqual(access.quotas.list(), []);
}

describe('a Kafka client that has not logged in', () => {
  it('administers nothing, whatever tags the user has that stands for it', async () => {
    await using test = await AccessServer.start();
    await administer(test, false);
    assert.deepEqual(test.broker.access.acls.list('/'), []);
  });

  it('nor by access control lists, be they for that user, for ANONYMOUS or for everybody', async () => {
    await using test = await AccessServer.start();
    for (const principal of ['User:guest', 'User:ANONYMOUS', 'User:*']) {
      for (const operation of ['all', 'alter', 'alter-configs', 'cluster-action'] as const) {
        const acl: Acl = {
          resource: 'cluster',
          name: 'kafka-cluster',
          pattern: 'literal',
          principal,
          host: '*',
          operation,
          permission: 'allow',
        };
        await test.broker.access.acls.add('/', acl);
      }
    }
    const client = await test.kafka(null);
    for (const name of [
      'AlterUserScramCredentials',
      'CreateAcls',
      'DeleteAcls',
      'AlterClientQuotas',
      'WriteTxnMarkers',
    ]) {
      const handler = HANDLERS.find(({ api }) => api.name === name) as unknown as {
        api: Api;
        maxVersion: number;
      };
      const response = await client.request(handler.api, handler.maxVersion, ADMINISTRATION[name] as never);
      assert.ok(codesIn(response).includes(CLUSTER), `${name}: ${JSON.stringify(response)}`);
    }
    assert.equal(test.broker.access.acls.list('/').length, 12);
  });

  it('makes topics, writes, reads and is in groups, with a client that we did not write', async () => {
    await using test = await AccessServer.start();
    const kafka = new Kafka({ brokers: [test.kafkaServer.address], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 't' }] });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 't', messages: [{ value: 'x' }] });
    const consumer = kafka.consumer({ groupId: 'g' });
    await consumer.connect();
    await consumer.subscribe({ topic: 't', fromBeginning: true });
    const { promise, resolve } = Promise.withResolvers<string>();
    await consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) });
    assert.equal(await promise, 'x');
    await consumer.disconnect();
    assert.deepEqual(
      (await admin.listGroups()).groups.map(({ groupId }) => groupId),
      ['g'],
    );
    await producer.disconnect();
    await admin.disconnect();
  });

  it('is nobody behind a proxy that says it comes from elsewhere', async () => {
    await using test = await AccessServer.start({ trustedProxies: new TrustedProxies(['127.0.0.1']) });
    for (const [address, isIn] of [
      ['203.0.113.7', false],
      ['127.0.0.6', true],
    ] as const) {
      const client = await test.kafka(null);
      client.socket.write(`PROXY TCP4 ${address} 127.0.0.1 4711 9092\r\n`);
      const asked = test.fetch(client, 't');
      if (isIn) assert.equal(await asked, 'UNKNOWN_TOPIC_OR_PARTITION');
      else await assert.rejects(asked, /the connection was closed/);
    }
  });
});
