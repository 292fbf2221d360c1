import assert from 'node:assert/strict';
import {
  ConfigResourceTypes,
  type Connection,
  createAPI,
  describeConfigsV4,
  IncrementalAlterConfigOperationTypes,
  incrementalAlterConfigsV1,
  Writer,
} from '@platformatic/kafka';
import type { Broker } from './broker.ts';
import { eventually } from './eventually.ts';
import { KafkaClient } from './kafka-client.ts';

const TOPIC = 'shared';
const GROUP = 'share-group';
const ACCEPT = 1;
const RELEASE = 2;
const REJECT = 3;

interface Acquired {
  readonly first: number;
  readonly last: number;
  readonly deliveryCount: number;
}

/** The client library has no share groups (KIP-932): these are the three requests that a member needs. */
const heartbeat = createAPI<[member: string, epoch: number], number>(
  76,
  1,
  (member, epoch) =>
    Writer.create()
      .appendString(GROUP)
      .appendString(member)
      .appendInt32(epoch)
      .appendString(null)
      .appendArray([TOPIC], (writer, topic) => writer.appendString(topic), true, false)
      .appendTaggedFields(),
  (_correlation, _key, _version, reader) => {
    reader.readInt32();
    return reader.readInt16();
  },
);

const shareFetch = createAPI<[member: string, epoch: number, topicId: string], Acquired[]>(
  78,
  1,
  (member, epoch, topicId) => {
    const writer = Writer.create().appendString(GROUP).appendString(member).appendInt32(epoch);
    for (const number of [100, 1, 1_000_000, 3, 3]) writer.appendInt32(number);
    return writer
      .appendArray([topicId], (topics, id) =>
        topics.appendUUID(id).appendArray([0], (partitions, index) => {
          partitions.appendInt32(index).appendArray([], () => undefined);
        }),
      )
      .appendArray([], () => undefined)
      .appendTaggedFields();
  },
  (_correlation, _key, _version, reader) => {
    reader.readInt32();
    const error = reader.readInt16();
    assert.equal(error, 0, `ShareFetch: ${reader.readNullableString()}`);
    reader.readInt32();
    const topics = reader.readArray((topic) => {
      topic.readUUID();
      return topic.readArray((partition) => {
        partition.readInt32();
        assert.equal(partition.readInt16(), 0, 'ShareFetch of the partition');
        partition.readNullableString();
        partition.readInt16();
        partition.readNullableString();
        // The leader and its epoch, and their tagged fields.
        partition.skip(8).readTaggedFields();
        partition.readNullableBytes();
        return partition.readArray((range) => ({
          first: Number(range.readInt64()),
          last: Number(range.readInt64()),
          deliveryCount: range.readInt16(),
        }));
      });
    });
    return topics.flat(2);
  },
);

const shareAcknowledge = createAPI<
  [member: string, epoch: number, topicId: string, types: readonly number[]],
  number
>(
  79,
  1,
  (member, epoch, topicId, types) =>
    Writer.create()
      .appendString(GROUP)
      .appendString(member)
      .appendInt32(epoch)
      .appendArray([topicId], (topics, id) =>
        topics.appendUUID(id).appendArray([0], (partitions, index) => {
          partitions.appendInt32(index).appendArray([...types.entries()], (batches, [offset, type]) => {
            batches.appendInt64(BigInt(offset)).appendInt64(BigInt(offset));
            batches.appendArray([type], (each, value) => each.appendInt8(value), true, false);
          });
        }),
      )
      .appendTaggedFields(),
  (_correlation, _key, _version, reader) => {
    reader.readInt32();
    return reader.readInt16();
  },
);

/** Of six records the first three are handed out: one accepted, one released, one rejected. */
export async function fillShareGroup(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  await client.createTopic(TOPIC, 1);
  const configs = [
    {
      name: 'share.auto.offset.reset',
      configOperation: IncrementalAlterConfigOperationTypes.SET,
      value: 'earliest',
    },
  ];
  const resource = { resourceType: ConfigResourceTypes.GROUP, resourceName: GROUP, configs };
  await incrementalAlterConfigsV1.api.async(client.connection, [resource], false);
  // Records are handed out by whole batches.
  for (const from of [0, 3]) {
    const values = [0, 1, 2].map((at) => ({ value: Buffer.from(`shared ${from + at}`) }));
    await client.produce(TOPIC, 0, values);
  }
  const topicId = await client.topicId(TOPIC);
  const member = '11111111-1111-4111-8111-111111111111';
  const acquired = await join(client.connection, member, topicId);
  assert.deepEqual(acquired, [{ first: 0, last: 2, deliveryCount: 1 }]);
  const types = [ACCEPT, RELEASE, REJECT];
  assert.equal(await shareAcknowledge.async(client.connection, member, 1, topicId, types), 0);
  await heartbeat.async(client.connection, member, -1);
  await client.close();
}

/** The released record comes for the second time, and behind it what had not been handed out yet. */
export async function verifyShareGroup(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  const resource = { resourceType: ConfigResourceTypes.GROUP, resourceName: GROUP };
  const { results } = await describeConfigsV4.api.async(client.connection, [resource], false, false);
  const reset = results[0].configs.find(({ name }) => name === 'share.auto.offset.reset');
  assert.equal(reset?.value, 'earliest', 'setting of the share group');
  const topicId = await client.topicId(TOPIC);
  const member = '22222222-2222-4222-8222-222222222222';
  const acquired = await join(client.connection, member, topicId);
  assert.deepEqual(acquired, [
    { first: 1, last: 1, deliveryCount: 2 },
    { first: 3, last: 5, deliveryCount: 1 },
  ]);
  await heartbeat.async(client.connection, member, -1);
  await client.close();
}

async function join(connection: Connection, member: string, topicId: string): Promise<Acquired[]> {
  assert.equal(await heartbeat.async(connection, member, 0), 0);
  return await eventually(
    async () => await shareFetch.async(connection, member, 0, topicId),
    (acquired) => acquired.length > 0,
    'records of the share group',
  );
}
