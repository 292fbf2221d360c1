import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BROKER_CONFIGS, type BrokerConfig } from '../src/broker/streams/broker-config-table.ts';
import { TOPIC_CONFIGS, type TopicConfig } from '../src/broker/streams/topic-configs.ts';
import { HANDLERS } from '../src/servers/kafka/handlers/table.ts';
import { APIS } from '../src/wire/kafka/apis.ts';

/** `npm run docs` writes docs/kafka-compatibility.md from the tables in the sources; a test keeps the two the same. */
export const KAFKA_PAGE = new URL('../docs/kafka-compatibility.md', import.meta.url);

const INTRODUCTION = `# Coming from Kafka

<!-- Written by \`npm run docs\` from scripts/kafka-page.ts and the tables in src/. Change it there. -->

A program written for Kafka connects to Sluice as it is: \`bootstrap.servers=127.0.0.1:9092\`. Sluice answers as a cluster
of one broker does, of Kafka 4.2 and in KRaft mode. What is not built is not offered to clients, or refused with an error.
A topic is a [stream](streams.md), and AMQP clients can use it too; how records look to them is in [mapping](mapping.md).
Who may do what is in [access](access.md), share groups are in [share groups](share-groups.md). Which clients, tools and
test suites were tried is in [Kafka clients](kafka-clients.md).

## The cluster

- One broker, number 1, which is the controller too. Its address is the one that the client has connected to, or
  [\`kafka-advertised-host\`](configuration.md#kafka-advertised-host).
- The cluster's id is made with the data directory and stays.
- Durability: an answer to a producer with \`acks=1\` or \`all\` means that the records are on disk
  ([\`durability\`](configuration.md#durability)); Kafka leaves that to the operating system. There are no other replicas.
- Replication factors other than 1 and assignments to other brokers are refused as by a cluster that has one broker.
  Elections are not needed, reassignments to broker 1 are done at once, the list of those that run is empty.
- The settings of the broker are those of [configuration](configuration.md), given at its start. DescribeConfigs shows
  some of them under Kafka's names, read-only. Kafka's dynamic settings can be set while it runs, for the cluster
  (\`--entity-default\`) and for broker 1: [which of them have an effect](#settings-of-the-broker).
- A [virtual host](access.md) is a tenant: clients see the topics, groups and transactional ids of the one that they are in.

## Topics

- A topic that a client asks for is made, unless [\`kafka-auto-create-topics\`](configuration.md#kafka-auto-create-topics)
  is \`off\`, with [\`kafka-partitions\`](configuration.md#kafka-partitions) partitions. It is there with the first answer:
  clients need not ask again.
- Names are as in Kafka: 1 to 249 of the characters \`a-z A-Z 0-9 . _ -\`. Streams with other names are no topics.
- There are no internal topics: groups, offsets and transactions are in the broker's journal.
- A topic can have 10,000 partitions.

## Records

- Every record of a produced batch is looked at, as by Kafka: records that are not as many as the batch says, not numbered from 0,
  longer than their batch, or not decompressible are refused with \`INVALID_RECORD\`, with the record named (KIP-467); a wrong checksum
  with \`CORRUPT_MESSAGE\`. Nothing of such a batch is stored. Kafka takes wrong offset deltas in uncompressed batches, and lengths
  below -1 as none; here they are refused.
- What a batch may become when decompressed is bounded, which it is not in Kafka: 100 MiB, and beyond 16 MiB at most 1024 times its
  compressed size (\`INVALID_RECORD\`); all batches of one request together 100 MiB or 32 times the request, whichever is more.
  Beyond a size the answer is \`MESSAGE_TOO_LARGE\`, upon which Java producers send smaller batches. The errors name the limit.
- Large compressed batches are decompressed beside the event loop; requests of the same connection wait for them, as they do in Kafka.
- The record header \`sluice.envelope\` is the broker's: what a client writes there is stored, and believed by nobody
  ([mapping](mapping.md#amqp--stream--kafka)).

## Settings of topics

All that Kafka 4.2 has are taken, checked and shown. Those *without effect* are about files and replicas, and change nothing here.

`;

const AFTER_SETTINGS = `
\`remote.storage.enable\` can only be \`false\`. To delete a setting that is not known succeeds, as in Kafka: tools of older versions
take back \`message.format.version\` and \`message.downconversion.enable\`. To set one is refused with \`INVALID_CONFIG\`.

## Settings of the broker

All dynamic settings of Kafka 4.3 (KIP-226) can be set and taken back, are checked, shown with their sources, and survive a restart. What is
set for the broker goes before what is set for the cluster. Defaults of topics are in force at once for topics that have nothing of
their own. What is *without effect* is kept and shown, and changes nothing: listeners and logins are those of the
[configuration](configuration.md), whatever is set here. Where it can be set: *cluster* there and for the broker, *broker* for the broker alone, *listener* for one listener of the broker,
with \`listener.name.NAME.\` before it; the settings of a broker, \`max.connections\`, \`max.connection.creation.rate\` and
\`num.network.threads\` can be set for a listener, too. Secrets are not kept, and shown to nobody.

Other names are refused with \`INVALID_REQUEST\`; Kafka keeps names that it does not know. That a pool of threads can only be doubled or
halved at once is not asked of anybody.

`;

const BEFORE_APIS = `
## APIs

What is served, and in which versions. Versions of Produce before 3 are offered because clients take their absence for a
broker that is too old; they are refused.

`;

function configRow(config: TopicConfig): string {
  const { name, effect, description } = config;
  const value = config.default === '' ? '' : `\`${config.default}\``;
  return `| \`${name}\` | ${value} | ${effect === 'has-effect' ? 'same' : 'without effect'} | ${description} |\n`;
}

function brokerConfigRow({
  name,
  default: usual,
  level,
  effect,
  topicName,
  description,
}: BrokerConfig): string {
  const value = usual === null || usual === '' ? '' : `\`${usual}\``;
  const what = topicName === null ? description : `The default of \`${topicName}\`.`;
  return `| \`${name}\` | ${value} | ${level} | ${effect === 'has-effect' ? 'same' : 'without effect'} | ${what} |\n`;
}

function apiRows(): string {
  return HANDLERS.map(({ api, minVersion, maxVersion }) => {
    const versions = minVersion === maxVersion ? `${minVersion}` : `${minVersion}–${maxVersion}`;
    return `| ${api.key} | ${api.name} | ${versions} |\n`;
  }).join('');
}

function unserved(): string {
  const served = new Set(HANDLERS.map(({ api }) => api.key));
  const names = APIS.filter(({ key }) => !served.has(key)).map(({ name }) => name);
  return `\nNot served: ${names.join(', ')}, and what the brokers of a cluster say to one another.\n`;
}

export function renderKafkaPage(): string {
  const shown = TOPIC_CONFIGS.filter(({ isHidden }) => isHidden !== true);
  return (
    INTRODUCTION +
    '| Setting | Default | | |\n|---|---|---|---|\n' +
    shown.map(configRow).join('') +
    AFTER_SETTINGS +
    '| Setting | Default | Where | | |\n|---|---|---|---|---|\n' +
    [...BROKER_CONFIGS]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(brokerConfigRow)
      .join('') +
    BEFORE_APIS +
    '| Key | API | Versions |\n|---|---|---|\n' +
    apiRows() +
    unserved()
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(KAFKA_PAGE, renderKafkaPage());
