import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asLocal } from '../../src/broker/queues/any-queue.ts';
import { ACKNOWLEDGE_TYPE, CONFIG_RESOURCE_TYPE } from '../../src/wire/kafka/constants.ts';
import { errorName } from '../../src/wire/kafka/error-codes.ts';
import { incrementalAlterConfigs } from '../../src/wire/kafka/messages/configs.ts';
import { shareFetch } from '../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../src/wire/kafka/messages/share-groups.ts';
import type { KafkaClient } from '../servers/kafka/kafka-client.ts';
import { until } from '../support/until.ts';
import { AccessServer, publish } from './access-server.ts';

const OWN = { configure: '^ada', write: '^(ada|amq\\.default$)', read: '^ada' };

function messagesIn(test: AccessServer, queue: string): number {
  return asLocal(test.broker.vhosts.get('/')?.findQueue(queue))?.readyCount ?? -1;
}

async function alter(
  client: KafkaClient,
  group: string,
  topic: string,
  validateOnly = false,
): Promise<string> {
  const configs = [{ name: 'sluice.dead.letter.topic', configOperation: 0, value: topic }];
  const { responses } = await client.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: CONFIG_RESOURCE_TYPE.GROUP, resourceName: group, configs }],
    validateOnly,
  });
  return String(errorName(responses[0]?.errorCode ?? -1));
}

/** A member of the group `ada.g` gets the one record of `ada.t`, and rejects it. */
async function reject(test: AccessServer, client: KafkaClient): Promise<void> {
  const topicId = test.broker.streams.get('/', 'ada.t')?.id ?? '';
  const member = { groupId: 'ada.g', memberId: 'm' };
  const joining = { ...member, memberEpoch: 0, subscribedTopicNames: ['ada.t'] };
  await client.request(shareGroupHeartbeat, 1, joining);
  const fetchOf = (shareSessionEpoch: number, types: number[]) => {
    const acknowledgementBatches = types.map((type) => ({
      firstOffset: 0,
      lastOffset: 0,
      acknowledgeTypes: [type],
    }));
    return client.request(shareFetch, 2, {
      ...member,
      shareSessionEpoch,
      maxWaitMs: types.length === 0 ? 2000 : 0,
      minBytes: 1,
      maxBytes: 1e6,
      maxRecords: 10,
      batchSize: 10,
      topics: [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
      forgottenTopicsData: [],
    });
  };
  const first = await fetchOf(0, []);
  assert.equal(first.responses[0]?.partitions[0]?.acquiredRecords.length, 1);
  await fetchOf(1, [ACKNOWLEDGE_TYPE.REJECT]);
}

async function shareGroup(rights: object = {}, problems: string[] = []): Promise<AccessServer> {
  const log = { info() {}, warn() {}, error: (_: object, message: string) => void problems.push(message) };
  const test = await AccessServer.start({}, { log });
  await test.addUser('ada', { ...OWN, ...rights });
  const configs = new Map();
  test.broker.streams.create({ vhost: '/', name: 'ada.t', partitions: 1, configs });
  test.broker.streams.create({ vhost: '/', name: 'payroll', partitions: 1, configs });
  test.broker.groupConfigs.set('/', 'ada.g', new Map([['share.auto.offset.reset', 'earliest']]));
  return test;
}

function endOf(test: AccessServer, topic: string): number {
  return test.broker.streams.get('/', topic)?.ownPartitions[0]?.endOffset ?? -1;
}

describe("a share group's dead-letter topic", () => {
  it('is set by one who may write to it, and make it if it is not there', async () => {
    await using test = await shareGroup();
    const client = await test.kafka('ada');
    for (const isValidation of [true, false]) {
      assert.equal(await alter(client, 'ada.g', 'payroll', isValidation), 'TOPIC_AUTHORIZATION_FAILED');
      assert.equal(await alter(client, 'ada.g', 'unknown', isValidation), 'TOPIC_AUTHORIZATION_FAILED');
    }
    assert.equal(test.broker.groupConfigs.of('/', 'ada.g').get('sluice.dead.letter.topic'), undefined);
    assert.equal(await alter(client, 'ada.g', 'ada.dead'), 'NONE');
    assert.equal(await alter(client, 'ada.g', ''), 'NONE');
  });

  it('is written as long as whoever set it may: else what is given up is dropped, and the log says why', async () => {
    const problems: string[] = [];
    await using test = await shareGroup({ write: '^(ada|payroll$)' }, problems);
    const client = await test.kafka('ada');
    assert.equal(await alter(client, 'ada.g', 'payroll'), 'NONE');
    const { administration } = test.broker.access;
    await administration.setPermissions('ada', '/', OWN);
    assert.equal(await test.produce(client, 'ada.t', null), 'NONE');
    await reject(test, client);
    await until(() => problems.length > 0);
    assert.match(
      problems.join(),
      /dropped, as its dead-letter topic 'payroll' is not written: user 'ada', who set it, may not/,
    );
    assert.equal(endOf(test, 'payroll'), 0);
  });

  it('keeps its owner over a restart, and when somebody else changes another setting', async () => {
    await using test = await shareGroup();
    const client = await test.kafka('ada');
    assert.equal(await alter(client, 'ada.g', 'ada.dead'), 'NONE');
    await test.kafkaServer.restart();
    const { groupConfigs } = test.broker;
    assert.equal(groupConfigs.ownerOf('/', 'ada.g')?.user, 'ada');
    const more = new Map([...groupConfigs.of('/', 'ada.g'), ['share.delivery.count.limit', '2']]);
    groupConfigs.set('/', 'ada.g', more, { user: 'guest', host: '127.0.0.1', anonymousAs: null });
    assert.equal(groupConfigs.ownerOf('/', 'ada.g')?.user, 'ada');
  });

  it('is written when an operator set it, whoever is in the group', async () => {
    await using test = await shareGroup();
    const configs = new Map([
      ['share.auto.offset.reset', 'earliest'],
      ['sluice.dead.letter.topic', 'payroll'],
    ]);
    test.broker.groupConfigs.set('/', 'ada.g', configs);
    const client = await test.kafka('ada');
    assert.equal(await test.produce(client, 'ada.t', null), 'NONE');
    await reject(test, client);
    await until(() => endOf(test, 'payroll') === 1);
  });
});

describe('a dead-letter exchange', () => {
  const declare = (test: AccessServer, args: object = {}) =>
    test.refusal('ada', (channel) =>
      channel.assertQueue('ada.q', { durable: true, deadLetterExchange: 'payroll', messageTtl: 0, ...args }),
    );

  async function start(write: string): Promise<AccessServer> {
    const test = await AccessServer.start();
    await test.addUser('ada', { ...OWN, write });
    const channel = await (await test.amqp('guest')).createChannel();
    await channel.assertExchange('payroll', 'topic');
    await channel.assertQueue('paid');
    await channel.bindQueue('paid', 'payroll', '#');
    return test;
  }

  it('takes the right to write to it when the queue is declared, and with its key', async () => {
    await using test = await start(OWN.write);
    assert.match(String(await declare(test)), /access to exchange 'payroll' in vhost '\/' refused/);
    await using other = await start('.*');
    const { administration } = other.broker.access;
    await administration.setTopicPermissions('ada', '/', 'payroll', { write: '^a\\.', read: '' });
    const withKey = (deadLetterRoutingKey: string) => declare(other, { deadLetterRoutingKey });
    assert.match(
      String(await withKey('salary.raise')),
      /access to topic 'salary\.raise' in exchange 'payroll'/,
    );
    assert.equal(await withKey('a.b'), null);
  });

  it('gets nothing any more when the one who declared the queue may not write to it, also after a restart', async () => {
    await using test = await start('.*');
    assert.equal(await declare(test), null);
    const send = () => test.refusal('ada', (channel) => publish(channel, '', 'ada.q'));
    assert.equal(await send(), null);
    await until(() => messagesIn(test, 'paid') === 1);
    const { administration } = test.broker.access;
    await administration.setPermissions('ada', '/', OWN);
    assert.equal(await send(), null);
    await until(() => messagesIn(test, 'ada.q') === 0);
    assert.equal(messagesIn(test, 'paid'), 1);
    const queue = asLocal(test.broker.vhosts.get('/')?.findQueue('ada.q'));
    assert.equal(queue?.declaredBy, 'ada');
    assert.equal(queue?.leavingCount, 0);
    // An operator has to be able to take a user away without losing what others rely on.
    await administration.deleteUser('ada');
    const channel = await (await test.amqp('guest')).createConfirmChannel();
    channel.sendToQueue('ada.q', Buffer.from('x'));
    await channel.waitForConfirms();
    await until(() => messagesIn(test, 'paid') === 2);
  });

  it('holds each routing key of a dead letter against the topic permissions of the one who declared the queue', async () => {
    await using test = await start('.*');
    const { administration } = test.broker.access;
    await administration.setTopicPermissions('ada', '/', 'payroll', { write: '^a\\.', read: '' });
    assert.equal(await declare(test), null);
    const channel = await (await test.amqp('ada')).createConfirmChannel();
    await channel.bindQueue('ada.q', 'amq.direct', 'salary.raise').catch(() => undefined);
    const guest = await (await test.amqp('guest')).createConfirmChannel();
    for (const key of ['salary.raise', 'a.b']) await guest.bindQueue('ada.q', 'amq.direct', key);
    guest.publish('amq.direct', 'salary.raise', Buffer.from('x'));
    guest.publish('amq.direct', 'a.b', Buffer.from('x'), { headers: { CC: ['salary.raise'] } });
    guest.publish('amq.direct', 'a.b', Buffer.from('x'));
    await guest.waitForConfirms();
    await until(() => messagesIn(test, 'paid') === 1);
    assert.equal(messagesIn(test, 'ada.q'), 0);
  });

  it('of a policy is the operator’s: it gets what the policy says', async () => {
    await using test = await start(OWN.write);
    test.broker.vhosts.get('/')?.setPolicy({
      name: 'p',
      pattern: '^ada',
      definition: { 'dead-letter-exchange': 'payroll', 'message-ttl': 0 },
    });
    assert.equal(await test.refusal('ada', (channel) => channel.assertQueue('ada.q')), null);
    assert.equal(await test.refusal('ada', (channel) => publish(channel, '', 'ada.q')), null);
    await until(() => messagesIn(test, 'paid') === 1);
  });
});

describe('an alternate exchange', () => {
  it('takes the right to write to it when it is set, and when a message goes there', async () => {
    await using test = await AccessServer.start();
    await test.addUser('ada', { ...OWN, write: '^(ada|payroll$)' });
    const channel = await (await test.amqp('guest')).createChannel();
    await channel.assertExchange('payroll', 'fanout');
    await channel.assertExchange('other', 'fanout');
    await channel.assertQueue('paid');
    await channel.bindQueue('paid', 'payroll', '');
    const declare = (name: string, alternateExchange: string) =>
      test.refusal('ada', (own) => own.assertExchange(name, 'direct', { alternateExchange }));
    assert.match(String(await declare('ada.x', 'other')), /access to exchange 'other'/);
    assert.equal(await declare('ada.x', 'payroll'), null);
    const send = () => test.refusal('ada', (own) => publish(own, 'ada.x', 'nowhere'));
    assert.equal(await send(), null);
    assert.equal(messagesIn(test, 'paid'), 1);
    await test.broker.access.administration.setPermissions('ada', '/', OWN);
    assert.equal(await send(), null);
    assert.equal(messagesIn(test, 'paid'), 1);
    assert.equal(test.broker.vhosts.get('/')?.findExchange('ada.x')?.declaredBy, 'ada');
  });
});
