import type { Producer } from 'kafkajs';
import { fillAccess } from './access.ts';
import type { AmqpClient } from './amqp-client.ts';
import type { Broker, Sizes } from './broker.ts';
import { type Definitions, readDefinitions } from './definitions.ts';
import type { ExpectedQueue } from './expected-message.ts';
import { fillQueues } from './fill-queues.ts';
import { fillKafkaAccess } from './kafka-access.ts';
import { fillGroups } from './kafka-groups.ts';
import { type ExpectedRecords, fillRecords } from './kafka-records.ts';
import { fillTransactions } from './kafka-transactions.ts';
import { declareRoutes } from './routes.ts';
import { fillShareGroup } from './share-group.ts';
import { type ExpectedStreams, fillStreams } from './streams.ts';

/** What has to be found in the directory. */
export interface Expected {
  readonly definitions: Definitions;
  readonly queues: readonly ExpectedQueue[];
  readonly streams: ExpectedStreams;
  readonly records: ExpectedRecords;
}

export interface Written extends Expected {
  /** Lets go of the clients that hold messages and transactions, when the broker has ended. */
  disconnect(): Promise<void>;
}

/** Writes something of everything that is kept. */
export async function fillDirectory(broker: Broker, sizes: Sizes): Promise<Written> {
  const clients: AmqpClient[] = [];
  const producers: Producer[] = [];
  const [tenants, streams, records] = await Promise.all([
    fillAdministration(broker),
    fillStreams(broker),
    fillKafka(broker, sizes, producers),
  ]);
  const queues = await fillQueues(broker, clients);
  return {
    definitions: await readDefinitions(broker),
    queues: [...tenants, ...streams.queues, ...queues],
    streams,
    records,
    disconnect: async () => {
      await Promise.allSettled(
        [...clients, ...producers.map(closable)].map(async (each) => await each.close()),
      );
    },
  };
}

async function fillAdministration(broker: Broker): Promise<ExpectedQueue[]> {
  const queues = await fillAccess(broker);
  await fillKafkaAccess(broker);
  await declareRoutes(broker);
  return queues;
}

async function fillKafka(broker: Broker, sizes: Sizes, producers: Producer[]): Promise<ExpectedRecords> {
  const records = await fillRecords(broker, sizes);
  await fillGroups(broker);
  await fillShareGroup(broker);
  await fillTransactions(broker, producers);
  return records;
}

function closable(producer: Producer): { close(): Promise<void> } {
  return { close: async () => await producer.disconnect() };
}
