import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AclResource } from '../../../src/broker/access/acl.ts';
import { HANDLERS } from '../../../src/servers/kafka/handlers/table.ts';
import type { Api } from '../../../src/wire/kafka/declaration.ts';
import type { ErrorName } from '../../../src/wire/kafka/error-codes.ts';
import { saslAuthenticate, saslHandshake } from '../../../src/wire/kafka/messages/sasl.ts';
import type { KafkaClient } from './kafka-client.ts';
import { errorsIn, OTHERWISE, SECRET, sample } from './sample-requests.ts';
import { KafkaTestServer } from './test-server.ts';

const TOPIC: ErrorName = 'TOPIC_AUTHORIZATION_FAILED';
const GROUP: ErrorName = 'GROUP_AUTHORIZATION_FAILED';
const CLUSTER: ErrorName = 'CLUSTER_AUTHORIZATION_FAILED';
const TRANSACTION: ErrorName = 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';

/** What somebody is told who may do nothing. Who serves another API has to say it here. */
const REFUSALS: { readonly [api: string]: ErrorName | 'open' } = {
  Produce: TRANSACTION,
  Fetch: TOPIC,
  ListOffsets: TOPIC,
  Metadata: TOPIC,
  OffsetCommit: GROUP,
  OffsetFetch: GROUP,
  FindCoordinator: GROUP,
  JoinGroup: GROUP,
  Heartbeat: GROUP,
  LeaveGroup: GROUP,
  SyncGroup: GROUP,
  DescribeGroups: GROUP,
  ListGroups: 'open',
  SaslHandshake: 'open',
  ApiVersions: 'open',
  CreateTopics: TOPIC,
  DeleteTopics: TOPIC,
  DeleteRecords: TOPIC,
  InitProducerId: TRANSACTION,
  OffsetForLeaderEpoch: TOPIC,
  AddPartitionsToTxn: CLUSTER,
  AddOffsetsToTxn: TRANSACTION,
  EndTxn: TRANSACTION,
  WriteTxnMarkers: CLUSTER,
  TxnOffsetCommit: TRANSACTION,
  DescribeAcls: CLUSTER,
  CreateAcls: CLUSTER,
  DeleteAcls: CLUSTER,
  DescribeConfigs: TOPIC,
  AlterConfigs: TOPIC,
  AlterReplicaLogDirs: CLUSTER,
  DescribeLogDirs: CLUSTER,
  SaslAuthenticate: 'open',
  CreatePartitions: TOPIC,
  DeleteGroups: GROUP,
  ElectLeaders: CLUSTER,
  IncrementalAlterConfigs: TOPIC,
  AlterPartitionReassignments: CLUSTER,
  ListPartitionReassignments: CLUSTER,
  OffsetDelete: GROUP,
  DescribeClientQuotas: CLUSTER,
  AlterClientQuotas: CLUSTER,
  DescribeUserScramCredentials: CLUSTER,
  AlterUserScramCredentials: CLUSTER,
  DescribeQuorum: CLUSTER,
  UpdateFeatures: CLUSTER,
  DescribeCluster: 'open',
  DescribeProducers: TOPIC,
  DescribeTransactions: TRANSACTION,
  ListTransactions: 'open',
  ConsumerGroupHeartbeat: GROUP,
  ConsumerGroupDescribe: GROUP,
  ListConfigResources: CLUSTER,
  DescribeTopicPartitions: TOPIC,
  ShareGroupHeartbeat: GROUP,
  ShareGroupDescribe: GROUP,
  ShareFetch: GROUP,
  ShareAcknowledge: GROUP,
  DescribeShareGroupOffsets: GROUP,
  AlterShareGroupOffsets: GROUP,
  DeleteShareGroupOffsets: GROUP,
};

/** And who may do everything with groups and transactional ids, but nothing with topics. */
const WITHOUT_TOPICS: { readonly [api: string]: ErrorName } = {
  Produce: TOPIC,
  OffsetCommit: TOPIC,
  OffsetFetch: TOPIC,
  OffsetDelete: TOPIC,
  TxnOffsetCommit: TOPIC,
  ConsumerGroupHeartbeat: TOPIC,
  ShareGroupHeartbeat: TOPIC,
};

async function connectAsAda(test: KafkaTestServer): Promise<KafkaClient> {
  const client = await test.connect();
  await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
  const { errorCode } = await client.request(saslAuthenticate, 2, {
    authBytes: Buffer.from('\0ada\0secret'),
  });
  assert.equal(errorCode, 0);
  return client;
}

async function start(): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start();
  const { broker } = test;
  broker.streams.create({ vhost: '/', name: SECRET, partitions: 1, configs: new Map() });
  await broker.access.administration.addUser('ada', 'secret');
  await broker.access.administration.setPermissions('ada', '/', { configure: '', write: '', read: '' });
  return test;
}

/** In the versions that name topics and in those that have their ids. */
function versionsOf({ minVersion, maxVersion }: { minVersion: number; maxVersion: number }): number[] {
  return Array.from({ length: maxVersion - minVersion + 1 }, (_, index) => minVersion + index);
}

describe('a client without any permission', () => {
  it('is refused by each API in each of its versions, and learns nothing', async () => {
    await using test = await start();
    const { id = '' } = test.broker.streams.get('/', SECRET) ?? {};
    let client = await connectAsAda(test);
    const wrong: string[] = [];
    for (const handler of HANDLERS) {
      const expected = REFUSALS[handler.api.name];
      assert.ok(expected !== undefined, `${handler.api.name}: is it looked at who may ask?`);
      if (expected === 'open') continue;
      for (const version of versionsOf(handler)) {
        // Refused for being old.
        if (handler.api.name === 'Produce' && version < 3) continue;
        if (handler.api.name === 'Fetch' && version < 4) continue;
        // There is no place for an error: there is nothing in it.
        if (handler.api.name === 'DescribeLogDirs' && version < 3) continue;
        const { api } = handler as { readonly api: Api };
        const request = {
          ...sample(api.request.fields, version, id),
          ...OTHERWISE[`${api.name} v${version}`]?.(id),
        };
        const response = await client.request(api, version, request as never).catch(String);
        const errors = [...errorsIn(response)];
        const isOfClient = api.name === 'AddPartitionsToTxn' && version < 4;
        const isRight = errors.length === 1 && errors[0] === (isOfClient ? TRANSACTION : expected);
        if (!isRight) wrong.push(`${api.name} v${version}: ${errors.join() || JSON.stringify(response)}`);
        if (client.isClosed) client = await connectAsAda(test);
      }
    }
    client.socket.destroy();
    assert.deepEqual(wrong, []);
    const { broker } = test;
    assert.deepEqual(
      broker.streams.list('/').map(({ name }) => name),
      [SECRET],
    );
    assert.deepEqual(broker.access.acls.list('/'), []);
    assert.deepEqual(broker.access.quotas.list(), []);
    assert.equal(broker.groups.find('/', SECRET), undefined);
  });

  it('is not told of topics that are there when asking for all', async () => {
    await using test = await start();
    using client = await connectAsAda(test);
    for (const name of ['Metadata', 'DescribeTopicPartitions', 'ListGroups', 'ListTransactions']) {
      const handler = HANDLERS.find(({ api }) => api.name === name);
      assert.ok(handler !== undefined);
      const version = handler.maxVersion;
      const { api } = handler as { readonly api: Api };
      const request = sample(api.request.fields, version, '');
      const all = { ...request, topics: name === 'Metadata' ? null : [], statesFilter: [], typesFilter: [] };
      const filters = { stateFilters: [], producerIdFilters: [], transactionalIdPattern: null };
      const response = await client.request(api, version, { ...all, ...filters } as never);
      assert.ok(!JSON.stringify(response).includes(SECRET), name);
    }
  });
});

describe('a client with every permission but on topics', () => {
  it('is refused where it comes to topics', async () => {
    await using test = await start();
    const { id = '' } = test.broker.streams.get('/', SECRET) ?? {};
    for (const resource of ['group', 'transactional-id'] as const satisfies readonly AclResource[]) {
      await test.broker.access.acls.add('/', {
        resource,
        name: '*',
        pattern: 'literal',
        principal: 'User:ada',
        host: '*',
        operation: 'all',
        permission: 'allow',
      });
    }
    using client = await connectAsAda(test);
    for (const [name, expected] of Object.entries(WITHOUT_TOPICS)) {
      const handler = HANDLERS.find(({ api }) => api.name === name);
      assert.ok(handler !== undefined, name);
      const { api } = handler as { readonly api: Api };
      for (const version of versionsOf(handler)) {
        if (name === 'Produce' && version < 3) continue;
        const request = sample(api.request.fields, version, id);
        const response = await client.request(api, version, { ...request, ...EMPTY_MEMBER } as never);
        assert.deepEqual([...errorsIn(response)], [expected], `${name} v${version}`);
      }
    }
  });
});

/** Of nobody in the group: as a tool commits offsets. */
const EMPTY_MEMBER = { memberId: '', groupInstanceId: null, generationId: -1 };
