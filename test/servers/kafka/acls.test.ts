import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ScramMechanism, scramCredential } from '../../../src/broker/access/scram.ts';
import {
  ACL_OPERATION,
  ACL_PATTERN_TYPE,
  ACL_PERMISSION,
  ACL_RESOURCE_TYPE,
  SCRAM_MECHANISM,
} from '../../../src/wire/kafka/constants.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { createAcls, deleteAcls, describeAcls } from '../../../src/wire/kafka/messages/acls.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { saslAuthenticate, saslHandshake } from '../../../src/wire/kafka/messages/sasl.ts';
import {
  alterUserScramCredentials,
  describeUserScramCredentials,
} from '../../../src/wire/kafka/messages/scram.ts';
import { answer } from '../sasl/scram-client.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const READ_ORDERS = {
  resourceType: ACL_RESOURCE_TYPE.TOPIC,
  resourceName: 'orders',
  resourcePatternType: ACL_PATTERN_TYPE.LITERAL,
  principal: 'User:ada',
  host: '*',
  operation: ACL_OPERATION.READ,
  permissionType: ACL_PERMISSION.ALLOW,
};
const EVERYTHING = {
  resourceTypeFilter: ACL_RESOURCE_TYPE.ANY,
  resourceNameFilter: null,
  patternTypeFilter: ACL_PATTERN_TYPE.ANY,
  principalFilter: null,
  hostFilter: null,
  operation: ACL_OPERATION.ANY,
  permissionType: ACL_PERMISSION.ANY,
};

async function connectAs(test: KafkaTestServer, user: string): Promise<KafkaClient> {
  const client = await test.connect();
  await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
  const authBytes = Buffer.from(`\0${user}\0secret`);
  const { errorCode, errorMessage } = await client.request(saslAuthenticate, 2, { authBytes });
  assert.equal(errorName(errorCode), 'NONE', errorMessage ?? '');
  return client;
}

/** What the client is told of the topic `orders`. */
async function errorOf(client: KafkaClient): Promise<string | undefined> {
  const { topics } = await client.request(listOffsets, 1, {
    replicaId: -1,
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  });
  return errorName(topics[0]?.partitions[0]?.errorCode ?? -1);
}

describe('access control lists over Kafka (KIP-11, KIP-140)', () => {
  it('are made, told and taken away, and count at once for who is connected', async () => {
    await using test = await KafkaTestServer.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret');
    await administration.setPermissions('ada', '/', { configure: '', write: '', read: '' });
    using admin = await test.connectAsAdministrator();
    using ada = await connectAs(test, 'ada');
    assert.equal(await errorOf(ada), 'TOPIC_AUTHORIZATION_FAILED');
    const { results } = await admin.request(createAcls, 3, { creations: [READ_ORDERS] });
    assert.deepEqual(results, [{ errorCode: 0, errorMessage: null }]);
    assert.equal(await errorOf(ada), 'UNKNOWN_TOPIC_OR_PARTITION');
    const { resources } = await admin.request(describeAcls, 3, EVERYTHING);
    const { resourcePatternType: patternType, resourceType, resourceName, ...acl } = READ_ORDERS;
    assert.deepEqual(resources, [{ resourceType, resourceName, patternType, acls: [acl] }]);
    const filter = { ...EVERYTHING, resourceNameFilter: 'orders', patternTypeFilter: ACL_PATTERN_TYPE.MATCH };
    const { filterResults } = await admin.request(deleteAcls, 3, { filters: [filter, filter] });
    assert.deepEqual(
      filterResults.map(({ matchingAcls }) => matchingAcls.length),
      [1, 0],
    );
    assert.equal(await errorOf(ada), 'TOPIC_AUTHORIZATION_FAILED');
  });

  it('are for those who may alter the cluster, and are those of their virtual host', async () => {
    await using test = await KafkaTestServer.start();
    assert.equal(test.broker.access.credentials.of('both'), undefined);
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    await access.administration.createVhost('tenant');
    for (const vhost of ['/', 'tenant']) {
      await access.administration.setPermissions('ada', vhost, { configure: '.*', write: '.*', read: '.*' });
    }
    using ada = await connectAs(test, 'ada');
    const created = await ada.request(createAcls, 2, { creations: [READ_ORDERS] });
    assert.equal(errorName(created.results[0]?.errorCode ?? 0), 'CLUSTER_AUTHORIZATION_FAILED');
    const deleted = await ada.request(deleteAcls, 2, { filters: [EVERYTHING] });
    assert.equal(errorName(deleted.filterResults[0]?.errorCode ?? 0), 'CLUSTER_AUTHORIZATION_FAILED');
    const described = await ada.request(describeAcls, 2, EVERYTHING);
    assert.equal(errorName(described.errorCode), 'CLUSTER_AUTHORIZATION_FAILED');
    await access.acls.add('tenant', {
      resource: 'cluster',
      name: 'kafka-cluster',
      pattern: 'literal',
      principal: 'User:ada',
      host: '*',
      operation: 'alter',
      permission: 'allow',
    });
    using tenant = await connectAs(test, 'tenant:ada');
    const inTenant = await tenant.request(createAcls, 2, { creations: [READ_ORDERS] });
    assert.equal(inTenant.results[0]?.errorCode, 0);
    assert.equal(access.acls.list('tenant').length, 2);
    assert.deepEqual(access.acls.list('/'), []);
    // Users are everybody's: not even this one may change them from there.
    const { results } = await tenant.request(alterUserScramCredentials, 0, {
      deletions: [{ name: 'ada', mechanism: SCRAM_MECHANISM.SCRAM_SHA_256 }],
      upsertions: [],
    });
    assert.equal(errorName(results[0]?.errorCode ?? 0), 'CLUSTER_AUTHORIZATION_FAILED');
  });

  it('that make no sense are refused one by one', async () => {
    await using test = await KafkaTestServer.start();
    using admin = await test.connectAsAdministrator();
    const { results } = await admin.request(createAcls, 3, {
      creations: [
        { ...READ_ORDERS, principal: 'ada' },
        { ...READ_ORDERS, resourceType: ACL_RESOURCE_TYPE.CLUSTER },
        { ...READ_ORDERS, resourceType: ACL_RESOURCE_TYPE.DELEGATION_TOKEN },
        { ...READ_ORDERS, resourcePatternType: ACL_PATTERN_TYPE.MATCH },
        { ...READ_ORDERS, operation: ACL_OPERATION.ANY },
        { ...READ_ORDERS, resourceName: '' },
        READ_ORDERS,
      ],
    });
    assert.deepEqual(
      results.map(({ errorCode }) => errorName(errorCode)),
      [...Array(6).fill('INVALID_REQUEST'), 'NONE'],
    );
    const unknown = await admin.request(describeAcls, 3, { ...EVERYTHING, operation: 99 });
    assert.equal(errorName(unknown.errorCode), 'INVALID_REQUEST');
  });
});

describe('SCRAM credentials over Kafka (KIP-554)', () => {
  const salt = Buffer.from('some salt');
  const saltedPassword = pbkdf2Sync('new', salt, 4096, 32, 'sha256');
  const upsertion = {
    name: 'bob',
    mechanism: SCRAM_MECHANISM.SCRAM_SHA_256,
    iterations: 4096,
    salt,
    saltedPassword,
  };

  it('make users, are told without their secrets, and are taken away', async () => {
    await using test = await KafkaTestServer.start();
    using admin = await test.connectAsAdministrator();
    const alter = async (request: Parameters<typeof admin.request>[2]): Promise<(string | undefined)[]> => {
      const { results } = await admin.request(alterUserScramCredentials, 0, request as never);
      return results.map(({ errorCode }) => errorName(errorCode));
    };
    assert.deepEqual(await alter({ deletions: [], upsertions: [upsertion] }), ['NONE']);
    assert.deepEqual(
      test.broker.access.credentials.of('bob')?.['SCRAM-SHA-256'],
      scramCredential('SCRAM-SHA-256', salt, 4096, saltedPassword),
    );
    const { results } = await admin.request(describeUserScramCredentials, 0, { users: null });
    assert.deepEqual(
      results.map(({ user, credentialInfos }) => [user, credentialInfos]),
      [
        [
          'guest',
          [
            { mechanism: 1, iterations: 4096 },
            { mechanism: 2, iterations: 4096 },
          ],
        ],
        ['bob', [{ mechanism: 1, iterations: 4096 }]],
      ],
    );
    const asked = await admin.request(describeUserScramCredentials, 0, {
      users: [{ name: 'bob' }, { name: 'x' }, { name: 'bob' }],
    });
    assert.deepEqual(
      asked.results.map(({ errorCode }) => errorName(errorCode)),
      ['DUPLICATE_RESOURCE', 'RESOURCE_NOT_FOUND'],
    );
    const deletion = { name: 'bob', mechanism: SCRAM_MECHANISM.SCRAM_SHA_256 };
    assert.deepEqual(await alter({ deletions: [deletion], upsertions: [] }), ['NONE']);
    assert.deepEqual(await alter({ deletions: [deletion], upsertions: [] }), ['RESOURCE_NOT_FOUND']);
  });

  it('have any salt, and a salted password of any length: it is a key of HMAC (RFC 2104)', async () => {
    await using test = await KafkaTestServer.start();
    using admin = await test.connectAsAdministrator();
    const cases: readonly {
      readonly mechanism: ScramMechanism;
      readonly saltBytes: number;
      readonly bytes: number;
    }[] = [
      { mechanism: 'SCRAM-SHA-256', saltBytes: 0, bytes: 32 },
      ...[1, 16, 18, 33, 64, 1000].map((bytes) => ({
        mechanism: 'SCRAM-SHA-256' as const,
        saltBytes: 8,
        bytes,
      })),
      { mechanism: 'SCRAM-SHA-512', saltBytes: 0, bytes: 16 },
      { mechanism: 'SCRAM-SHA-512', saltBytes: 2000, bytes: 33 },
    ];
    for (const { mechanism, saltBytes, bytes } of cases) {
      const key = Buffer.alloc(bytes, 7);
      const { results } = await admin.request(alterUserScramCredentials, 0, {
        deletions: [],
        upsertions: [
          {
            name: 'bob',
            mechanism: SCRAM_MECHANISM[mechanism === 'SCRAM-SHA-256' ? 'SCRAM_SHA_256' : 'SCRAM_SHA_512'],
            iterations: 4096,
            salt: Buffer.alloc(saltBytes, 1),
            saltedPassword: key,
          },
        ],
      });
      assert.equal(errorName(results[0]?.errorCode ?? -1), 'NONE', results[0]?.errorMessage ?? '');
      using bob = await test.connect();
      await bob.request(saslHandshake, 1, { mechanism });
      const first = 'n,,n=bob,r=fyko+d2lbbFgONRv9qkxdawL';
      const begun = await bob.request(saslAuthenticate, 2, { authBytes: Buffer.from(first) });
      const { final, signature } = answer(mechanism, key, first, begun.authBytes.toString());
      const finished = await bob.request(saslAuthenticate, 2, { authBytes: Buffer.from(final) });
      // The proof is right; what a user of no permissions is told comes after it.
      assert.ok(
        finished.authBytes.toString() === signature ||
          /may not|permission|access/i.test(finished.errorMessage ?? ''),
        `${mechanism} with ${bytes} bytes: ${finished.errorMessage}`,
      );
    }
  });

  it('are refused if they are weak, doubtful, or an administrator’s and asked for by somebody else', async () => {
    await using test = await KafkaTestServer.start();
    using admin = await test.connectAsAdministrator();
    const { results } = await admin.request(alterUserScramCredentials, 0, {
      deletions: [{ name: 'twice', mechanism: 1 }],
      upsertions: [
        { ...upsertion, name: '' },
        { ...upsertion, name: 'few', iterations: 4095 },
        { ...upsertion, name: 'many', iterations: 16_385 },
        { ...upsertion, name: 'other', mechanism: 7 },
        { ...upsertion, name: 'twice' },
        { ...upsertion, name: 'empty', saltedPassword: Buffer.alloc(0) },
        { ...upsertion, name: 'both' },
        { ...upsertion, name: 'both', mechanism: SCRAM_MECHANISM.SCRAM_SHA_512 },
      ],
    });
    assert.deepEqual(Object.fromEntries(results.map(({ user, errorCode }) => [user, errorName(errorCode)])), {
      '': 'UNACCEPTABLE_CREDENTIAL',
      few: 'UNACCEPTABLE_CREDENTIAL',
      many: 'UNACCEPTABLE_CREDENTIAL',
      other: 'UNSUPPORTED_SASL_MECHANISM',
      twice: 'DUPLICATE_RESOURCE',
      empty: 'UNACCEPTABLE_CREDENTIAL',
      both: 'DUPLICATE_RESOURCE',
    });
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    await access.acls.add('/', {
      resource: 'cluster',
      name: 'kafka-cluster',
      pattern: 'literal',
      principal: 'User:ada',
      host: '*',
      operation: 'all',
      permission: 'allow',
    });
    using ada = await connectAs(test, 'ada');
    const theirs = await ada.request(alterUserScramCredentials, 0, {
      deletions: [],
      upsertions: [upsertion, { ...upsertion, name: 'guest' }],
    });
    assert.deepEqual(
      theirs.results.map(({ errorCode }) => errorName(errorCode)),
      ['NONE', 'CLUSTER_AUTHORIZATION_FAILED'],
    );
  });
});
