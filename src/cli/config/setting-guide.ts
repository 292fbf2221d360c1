import type { SettingName } from './settings.ts';

/** A chapter of docs/configuration.md: settings that belong together, each with when to change it. */
export interface SettingGroup {
  readonly title: string;
  readonly settings: { readonly [name in SettingName]?: string };
}

/** In the order of the page. A test holds that every setting is in one of them. */
export const SETTING_GROUPS: readonly SettingGroup[] = [
  {
    title: 'Files and log',
    settings: {
      dataDirectory:
        'For every broker that is to stay: a directory on a disk with room, outside of the program.',
      logLevel: '`debug` to find out why a client is refused; `warn` where logs are paid for by the line.',
    },
  },
  {
    title: 'Listeners',
    settings: {
      host: 'When clients run on other machines. Set up users and TLS first.',
      amqpPort: 'When another program has the port; `off` when all clients use TLS or Kafka.',
      amqpsPort: 'When AMQP clients connect over a network.',
      kafkaPort: 'When another program has the port; `off` when all clients use TLS or AMQP.',
      kafkasPort: 'When Kafka clients connect over a network.',
      kafkaShardPortStep: 'With several shards, where those ports are taken, or not open in a firewall.',
      kafkaAdvertisedHost:
        'When Kafka clients connect to a proxy, a container’s mapped port or a public name.',
      proxyProtocolFrom:
        'When HAProxy or a load balancer takes the connections and sends the PROXY protocol.',
      mqttPort: 'Not yet.',
      stompPort: 'Not yet.',
      httpPort: 'Not yet.',
    },
  },
  {
    title: 'Connections',
    settings: {
      maxConnections: 'With the limit of open files: a connection takes a file descriptor.',
      maxConnectionsPerAddress: 'When one client could use up all connections.',
      connectionRatePerAddress: 'When many clients come back at once from behind one address.',
      unfinishedInputTimeoutSeconds: 'Longer for clients that send large messages over slow links.',
      handshakeTimeoutSeconds: 'Longer for clients behind slow links; shorter where strangers can connect.',
      heartbeatSeconds:
        'Shorter to notice dead clients sooner; longer where clients stop for long (debuggers, suspended machines).',
      channelMax: 'When a client legitimately opens more; lower to find clients that leak channels.',
      frameMaxBytes: 'Hardly ever. Larger frames help clients that send bodies of many megabytes.',
      maxMessageBytes:
        'Lower to refuse large messages early; put large files elsewhere and send their address.',
    },
  },
  {
    title: 'Shards',
    settings: {
      shards: 'When one core is busy and others are not: see [shards](shards.md) first.',
    },
  },
  {
    title: 'TLS',
    settings: {
      tlsCert: 'With `amqps-port` or `kafkas-port`.',
      tlsKey: 'With `amqps-port` or `kafkas-port`.',
      tlsCa: 'When clients show certificates.',
      tlsCrl: 'When certificates of clients can be taken back.',
      tlsCiphers: 'For clients that have none of the usual ciphers.',
      tlsVerify: '`optional` to let clients log in by certificate; `required` when all of them have one.',
      tlsLoginFrom: 'When the common names of your certificates are not unique.',
    },
  },
  {
    title: 'Access',
    settings: {
      loopbackUsers: 'Hardly ever: rather make another user than let `guest` in from elsewhere.',
      kafkaAnonymousUser: '`none` as soon as others than you can connect.',
      userLimits:
        'When ordinary users need more objects than usual, or fewer: see [Objects](operations.md#objects).',
      administratorLimits: 'When a deployment tool that runs as an administrator needs more.',
      vhostLimits: 'When a tenant as a whole needs more, or fewer.',
      kafkaVhost: 'When Kafka clients belong to another virtual host than `/`.',
      kafkaReauthenticationSeconds: 'When a changed password has to reach clients that stay connected.',
    },
  },
  {
    title: 'Consumers, topics and groups',
    settings: {
      consumerTimeoutSeconds:
        'When consumers hang, and others should get their messages. A queue can have its own: [policies](policies.md).',
      kafkaAutoCreateTopics: '`off` where topics are made on purpose only, as in production.',
      kafkaPartitions: 'When new topics are to be read by several members of a group.',
      groupRebalanceDelayMs: 'About `3s` when many members of a group start together.',
      groupMembersMax:
        'Lower to stop a client that joins without end. With many more, others wait while a classic group is served.',
      groupSessionTimeoutMsMin: 'Lower for tests that must notice a lost member at once.',
      groupMigration: 'To keep groups on one protocol.',
      offsetsRetentionMinutes: 'Longer when consumers may be away for more than a week.',
    },
  },
  {
    title: 'Durability and disk',
    settings: {
      durability: 'When losing the last moments before a power cut is acceptable and the disk syncs slowly.',
      journalFileBytes: 'Hardly ever.',
      journalLimitBytes: 'Larger to write less to the disk; smaller to start faster.',
      diskFreeLimitBytes: 'Larger on disks that others fill quickly: see [sizing](sizing.md#disk).',
      retentionCheckSeconds: 'Shorter when retention times are minutes.',
      compactionMemoryBytes: 'Larger for compacted topics of many millions of keys.',
      compactionRateBytes: 'Lower when compaction disturbs a slow disk.',
    },
  },
  {
    title: 'Memory',
    settings: {
      memoryLimitBytes:
        'Larger when consumers fall behind for a short time and the disk is slow: see [sizing](sizing.md#memory).',
      clientMemoryBytes: 'When many clients send large messages at the same time.',
      clientMemoryPerUserBytes: 'When one user has many connections that send large messages.',
      memoryHighWaterMark: 'When the machine has other tasks, or the container’s limit is not its own.',
    },
  },
];
