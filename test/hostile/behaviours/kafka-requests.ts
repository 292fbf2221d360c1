import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { offsetCommit } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { metadata } from '../../../src/wire/kafka/messages/metadata.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import type { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { topic } from '../../servers/kafka/new-topic.ts';
import { ignoreAnswers, writeForever } from '../amqp-login.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';
import { kafkaLogin } from '../kafka-login.ts';

/** What can be done with requests about topics and their records. */

function produceOf(name: string, acks: number, records: Buffer) {
  return { acks, timeoutMs: 1000, topicData: [{ name, partitionData: [{ index: 0, records }] }] };
}

const announcedAndLeft: Behaviour = {
  name: 'announced-and-left',
  title: 'connections that announce a request of 100 MiB, send 100 KB of it and are reset, 20 at a time',
  run: (target) =>
    repeatedly(target, 20, async () => {
      using client = await kafkaLogin(target);
      const head = Buffer.alloc(100_000);
      head.writeInt32BE(100 * 1024 * 1024);
      await new Promise((resolve) => client.socket.write(head, resolve));
      client.socket.resetAndDestroy();
    }),
};

const unreadFetches: Behaviour = {
  name: 'unread-fetches',
  title:
    '50 connections with 20 fetches of 50 MB each, whose answers they read a byte at a time, or not at all',
  async run(target) {
    const client = await kafkaLogin(target);
    await client.request(createTopics, 5, { topics: [topic('large')] });
    const records = batchOf(Array.from({ length: 100 }, () => Buffer.alloc(9000, 'r')));
    for (let i = 0; i < 60; i++) await client.request(produce, 9, produceOf('large', -1, records));
    for (let i = 0; i < 50; i++) {
      const reader = await kafkaLogin(target);
      reader.socket.pause();
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50_000_000 }];
      const wanted = { maxWaitMs: 0, minBytes: 1, maxBytes: 50_000_000, forgottenTopicsData: [] };
      for (let j = 0; j < 20; j++)
        reader.send(fetch, 11, { ...wanted, topics: [{ topic: 'large', partitions }] });
      if (i % 2 === 0) setInterval(() => reader.socket.read(1), 50).unref();
    }
    await untilOver(target);
  },
};

const fetchSessions: Behaviour = {
  name: 'fetch-sessions',
  title: 'fetch sessions of 1,000 partitions that are begun and never used, on four connections',
  async run(target) {
    const client = await kafkaLogin(target);
    await client.request(createTopics, 5, { topics: [topic('sessions', 1000)] });
    const partitions = Array.from({ length: 1000 }, (_, partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1000,
    }));
    const wanted = { maxWaitMs: 0, minBytes: 0, maxBytes: 1000, sessionId: 0, sessionEpoch: 0 };
    await repeatedly(target, 4, async () => {
      using each = await kafkaLogin(target);
      for (let i = 0; i < 100 && !target.signal.aborted; i++) {
        await each.request(fetch, 11, {
          ...wanted,
          topics: [{ topic: 'sessions', partitions }],
          forgottenTopicsData: [],
        });
      }
    });
  },
};

const names: Behaviour = {
  name: 'metadata-names',
  title: 'Metadata of 100,000 new names, each of which would be made',
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await kafkaLogin(target);
      const topics = Array.from({ length: 100_000 }, (_, i) => ({ name: `asked-${turn}-${i}` }));
      while (!target.signal.aborted)
        await client.request(metadata, 9, { topics, allowAutoTopicCreation: true });
    }),
};

const offsets: Behaviour = {
  name: 'list-offsets',
  title: 'ListOffsets by time of 100,000 partitions, named again and again',
  async run(target) {
    const client = await kafkaLogin(target);
    await client.request(createTopics, 5, { topics: [topic('listed', 1000)] });
    const partitions = Array.from({ length: 100_000 }, (_, i) => ({
      partitionIndex: i % 1000,
      timestamp: 1000,
    }));
    await repeatedly(target, 3, async () => {
      using each = await kafkaLogin(target);
      while (!target.signal.aborted) {
        await each.request(listOffsets, 5, { replicaId: -1, topics: [{ name: 'listed', partitions }] });
      }
    });
  },
};

/** Requests without end, whose answers are read and thrown away, or not read. */
async function flood(target: Target, client: KafkaClient, isRead: boolean, bytes: Buffer): Promise<void> {
  if (isRead) ignoreAnswers(client);
  else client.socket.pause();
  const many = Buffer.concat(Array.from({ length: 100 }, () => bytes));
  await writeForever(target, client, () => many);
}

function producing(name: string, title: string, acks: number): Behaviour {
  return {
    name,
    title,
    run: (target) =>
      repeatedly(target, 8, async (turn) => {
        using client = await kafkaLogin(target);
        const made = `${name}-${turn % 8}`;
        await client.request(createTopics, 5, { topics: [topic(made)] });
        const request = produceOf(made, acks, batchOf(['x']));
        await flood(target, client, acks === 0, client.encode(produce, 9, request).bytes);
      }),
  };
}

const commits: Behaviour = {
  name: 'offset-commits',
  title: 'commits of 1,000 offsets each while the disk is short, which nobody else can publish to either',
  flags: ['--disk-free-limit', '1000000GiB'],
  blocksAll: true,
  run: (target) =>
    repeatedly(target, 4, async (turn) => {
      using client = await kafkaLogin(target);
      const partitions = Array.from({ length: 1000 }, (_, partitionIndex) => ({
        partitionIndex,
        committedOffset: 1,
        committedMetadata: 'm'.repeat(1000),
      }));
      await client.request(createTopics, 5, { topics: [topic('committed', 1000)] });
      while (!target.signal.aborted) {
        const group = { groupId: `g${turn}`, memberId: '', topics: [{ name: 'committed', partitions }] };
        await client.request(offsetCommit, 8, group);
      }
    }),
};

const topicChurn: Behaviour = {
  name: 'topic-churn',
  title: 'topics are made and deleted, 100 in a request, on four connections',
  run: (target) =>
    repeatedly(target, 4, async (turn) => {
      using client = await kafkaLogin(target);
      const topicNames = Array.from({ length: 100 }, (_, i) => `churn-${turn}-${i}`);
      while (!target.signal.aborted) {
        await client.request(createTopics, 5, { topics: topicNames.map((name) => topic(name, 10)) });
        await client.request(deleteTopics, 5, { topicNames, timeoutMs: 10_000 });
      }
    }),
};

export const KAFKA_REQUEST_BEHAVIOURS: readonly Behaviour[] = [
  announcedAndLeft,
  unreadFetches,
  fetchSessions,
  names,
  offsets,
  producing('unread-produces', 'tiny Produce requests without end, whose answers nobody reads', -1),
  producing('acks-0', 'tiny Produce requests with acks=0, as fast as they can', 0),
  commits,
  topicChurn,
];
