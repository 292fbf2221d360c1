import assert from 'node:assert/strict';
import { verifyAccess } from './access.ts';
import type { Broker, Json } from './broker.ts';
import { type Definitions, readDefinitions } from './definitions.ts';
import type { ExpectedQueue } from './expected-message.ts';
import type { Expected } from './fill.ts';
import { publishDuplicate } from './fill-queues.ts';
import { verifyKafkaAccess } from './kafka-access.ts';
import { verifyGroupGoesOn, verifyGroups } from './kafka-groups.ts';
import { verifyRecords } from './kafka-records.ts';
import { verifyEndedTransactions, verifyTransactions } from './kafka-transactions.ts';
import { verifyRoutes } from './routes.ts';
import { verifyShareGroup } from './share-group.ts';
import { verifyStreams } from './streams.ts';
import { emptyQueues, verifyQueues } from './verify-queues.ts';

/** @returns what has to be there when the directory is opened once more */
export async function verifyDirectory(
  broker: Broker,
  expected: Expected,
  isAfterCrash: boolean,
): Promise<Expected> {
  assert.deepEqual(await readDefinitions(broker), withChangedDefaults(expected.definitions));
  assert.match(await broker.cli(['users', 'list']), /^ada +monitoring, ?policymaker +yes$/m);
  // Before any of it is read: a queue that is fed has what it had, and what comes now.
  const streams = await verifyStreams(broker, expected.streams);
  const records = await verifyRecords(broker, expected.records);
  await verifyTransactions(broker);
  await verifyGroups(broker);
  await verifyShareGroup(broker);
  await verifyRoutes(broker);
  await publishDuplicate(broker);
  const queues = await verifyQueues(broker, replaced(expected.queues, streams.queues), isAfterCrash);
  await verifyAccess(broker);
  await verifyKafkaAccess(broker);
  return {
    definitions: await readDefinitions(broker),
    queues,
    streams: { ...streams, queues: replaced(streams.queues, queues) },
    records,
  };
}

export async function verifyAgain(broker: Broker, expected: Expected): Promise<void> {
  assert.deepEqual(await readDefinitions(broker), expected.definitions);
  const streams = await verifyStreams(broker, expected.streams);
  await emptyQueues(broker, replaced(expected.queues, streams.queues));
  await verifyRecords(broker, expected.records);
  await verifyEndedTransactions(broker);
  await verifyGroups(broker);
  await verifyGroupGoesOn(broker);
  await verifyRoutes(broker);
  await verifyAccess(broker);
  await verifyKafkaAccess(broker);
}

/**
 * What `remember` makes of an exchange follows from the policy each time: messages that Kafka's clients cannot take are
 * refused since.
 */
function withChangedDefaults({ streams, ...others }: Definitions): Definitions {
  const changed = streams.map((stream) => {
    if (stream.name !== 'remembering') return stream;
    const configs = { ...(stream.configs as Json), 'max.message.bytes': '99614720' };
    return { ...stream, configs };
  });
  return { ...others, streams: changed };
}

/** `queues`, and for those that are in `later`, these. */
function replaced(queues: readonly ExpectedQueue[], later: readonly ExpectedQueue[]): ExpectedQueue[] {
  return queues.map((queue) => later.find(({ name }) => name === queue.name) ?? queue);
}
