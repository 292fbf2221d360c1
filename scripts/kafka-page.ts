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

A program written for Kafka connects to Sluice without a change: \`bootstrap.servers=127.0.0.1:9092\`. Sluice answers like a Kafka
4.2 cluster of one broker in KRaft mode. An API that is not built is not offered, or refused with an error.

| About | Page |
|---|---|
| a topic as a stream, also for AMQP clients | [Streams](streams.md) |
| how a record looks to AMQP clients, and a message to Kafka clients | [Mapping](mapping.md) |
| users, rights and access control lists | [Access](access.md) |
| share groups | [Share groups](share-groups.md) |
| the clients, tools and test suites that were tried | [Kafka clients](kafka-clients.md) |

## The cluster

- **Brokers.** There is one broker, number 1. It is also the controller. Its address is the one that the client has connected to, or
  [\`kafka-advertised-host\`](configuration.md#kafka-advertised-host). With [several shards](shards.md#kafka-clients) each is a broker, and
  number 1 is the controller and coordinator.
- **Cluster id.** It is made with the data directory and does not change.
- **Durability.** With \`acks=1\` or \`acks=all\` the answer comes when the records are on disk
  ([\`durability\`](configuration.md#durability)). Kafka leaves the writing to the operating system. There are no other replicas.
- **Replicas.** A replication factor other than 1 and an assignment to a broker that is not there are refused, as in a cluster with one
  broker. Elections are not needed. Partitions do not move: a reassignment to the broker that has the partition is done at once, any other is
  refused, and the list of running reassignments is empty.
- **Settings of the broker.** They are in [Configuration](configuration.md) and are read at the start. DescribeConfigs shows some of
  them under Kafka's names, read-only. Kafka's dynamic settings can be changed while the broker runs, for the cluster
  (\`--entity-default\`) and for broker 1; shards have the same ones, under whichever number they were set. [Some of them have an effect](#settings-of-the-broker).
- **Virtual hosts.** A [virtual host](access.md) is a tenant. A client sees the topics, groups and transactional ids of its own.

## Topics

- **Creation.** A topic that a client asks for is created, with [\`kafka-partitions\`](configuration.md#kafka-partitions) partitions.
  [\`kafka-auto-create-topics\`](configuration.md#kafka-auto-create-topics) = \`off\` prevents it. The first answer already has the
  topic: clients need not ask again.
- **Names.** As in Kafka: 1 to 249 characters of \`a-z A-Z 0-9 . _ -\`. A stream with another name is not visible as a topic.
- **Internal topics.** There are none. Groups, offsets and transactions are in the broker's journal.
- **Partitions.** A topic can have 10,000.

## Records

**Checks.** As in Kafka, every record of a produced batch is checked. If one is wrong, nothing of the batch is stored.

| Error | Reason |
|---|---|
| \`CORRUPT_MESSAGE\` | a wrong checksum |
| \`INVALID_RECORD\`, with the number of the record (KIP-467) | another number of records than the batch says; offsets that do not count up from 0; a record longer than its batch; data that cannot be decompressed |

Two checks go beyond Kafka's. Kafka accepts wrong offset deltas in uncompressed batches. It also accepts a length below -1 and reads it
as null.

**Limits of decompression.** Kafka has none. Each error names its limit.

| What | Limit | Error |
|---|---|---|
| one batch, decompressed | 100 MiB | \`MESSAGE_TOO_LARGE\` |
| one batch above 16 MiB, decompressed | 1024 times its compressed size | \`INVALID_RECORD\` |
| all batches of a request, decompressed | 100 MiB, or 32 times the request if that is more | \`MESSAGE_TOO_LARGE\` |

After \`MESSAGE_TOO_LARGE\` a Java producer sends smaller batches.

**Large compressed batches** are decompressed in another thread. Later requests of the same connection wait for them, as in Kafka.

**The header \`sluice.envelope\`** is reserved for the broker. A client may send it. It is stored, and has no effect
([mapping](mapping.md#amqp--stream--kafka)).

## Settings of topics

Every topic setting of Kafka 4.2 is accepted, checked and shown. A setting *without effect* is about files or replicas, and changes nothing
in Sluice.

`;

const AFTER_SETTINGS = `
Deleting an unknown setting succeeds, as in Kafka: older tools delete \`message.format.version\` and
\`message.downconversion.enable\`. Setting an unknown one is refused with \`INVALID_CONFIG\`. \`remote.storage.enable\` can only be
\`false\`.

## Settings of the broker

Every dynamic setting of Kafka 4.3 (KIP-226) can be set and deleted. It is checked, shown with its source, and survives a restart.

- **Order.** A value for the broker goes before a value for the cluster.
- **Defaults of topics** are in force at once, for topics without a value of their own.
- **Without effect** means: the value is kept and shown, and changes nothing. Listeners and logins are set in the
  [configuration](configuration.md) only.
- **Where** a setting can be set: *cluster* = for the cluster and for the broker; *broker* = for the broker; *listener* = for one
  listener of the broker, with the prefix \`listener.name.NAME.\`. Settings of a broker, \`max.connections\`,
  \`max.connection.creation.rate\` and \`num.network.threads\` can also be set for one listener.
- **Secrets** are not stored, and are never shown.
- **Unknown names** are refused with \`INVALID_REQUEST\`. Kafka stores them.
- **Pools of threads** may get any size. Kafka allows only a change by a factor of two at once.

`;

const BEFORE_APIS = `
## APIs

These are the APIs that are served, with their versions. Produce 0 to 2 are offered and refused: without them in the list, clients take
the broker for too old.

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
  return `\nNot served: ${names.join(', ')}, and the APIs between the brokers of a cluster.\n`;
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
