import type { Channel } from 'amqplib';

export interface PermissionCase {
  readonly what: string;
  /** The names on which these are allowed; one that is left out allows nothing. */
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
  /** On the exchange `topic`. */
  readonly topic?: { readonly write: string; readonly read: string };
  run(channel: Channel): Promise<unknown>;
  /** What RabbitMQ 3.10.8 answers to the user `ada`; null if it does what it is asked. */
  readonly refusal: string | null;
}

/** There are: the queue `q`; the exchanges `direct` and `topic` of these types, and `direct2`. */
const refused = (what: string, by = ''): string =>
  `ACCESS_REFUSED - access to ${what}${by} in vhost '/' refused for user 'ada'`;

/** Published and waited for: a refusal closes the channel. */
async function publish(channel: Channel, exchange: string, key: string): Promise<void> {
  channel.publish(exchange, key, Buffer.from('x'));
  await channel.checkExchange('direct');
}

const NONE = (): Promise<void> => Promise.resolve();

/** Each method that takes permissions, without the one that it lacks, and with just enough. */
export const PERMISSION_CASES: readonly PermissionCase[] = [
  {
    what: 'queue.declare takes configure',
    write: '.*',
    read: '.*',
    run: (channel) => channel.assertQueue('new'),
    refusal: refused("queue 'new'"),
  },
  {
    what: 'queue.declare of what is there takes configure too',
    run: (channel) => channel.assertQueue('q'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'queue.declare with configure',
    configure: '^new$',
    run: (c) => c.assertQueue('new'),
    refusal: null,
  },
  { what: 'queue.declare, passive, takes nothing', run: (c) => c.checkQueue('q'), refusal: null },
  {
    what: 'queue.declare without a name takes configure on the one that is made up',
    configure: '^amq\\.gen',
    run: (channel) => channel.assertQueue('', { exclusive: true }),
    refusal: null,
  },
  {
    what: 'queue.declare with a dead-letter exchange takes read on the queue',
    configure: '.*',
    write: '.*',
    run: (channel) => channel.assertQueue('new', { deadLetterExchange: 'direct' }),
    refusal: refused("queue 'new'"),
  },
  {
    what: 'queue.declare with a dead-letter exchange takes write on the exchange',
    configure: '.*',
    read: '.*',
    run: (channel) => channel.assertQueue('new', { deadLetterExchange: 'direct' }),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'queue.delete takes configure',
    write: '.*',
    read: '.*',
    run: (channel) => channel.deleteQueue('q'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'queue.delete of what is not there takes configure too',
    run: (channel) => channel.deleteQueue('nothing'),
    refusal: refused("queue 'nothing'"),
  },
  {
    what: 'queue.purge takes read',
    configure: '.*',
    write: '.*',
    run: (channel) => channel.purgeQueue('q'),
    refusal: refused("queue 'q'"),
  },
  { what: 'queue.purge with read', read: '^q$', run: (channel) => channel.purgeQueue('q'), refusal: null },
  {
    what: 'queue.bind takes write on the queue',
    read: '.*',
    run: (channel) => channel.bindQueue('q', 'direct', 'k'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'queue.bind takes read on the exchange',
    write: '.*',
    run: (channel) => channel.bindQueue('q', 'direct', 'k'),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'queue.bind takes read on the exchange, also when it is not there',
    write: '.*',
    run: (channel) => channel.bindQueue('q', 'nothing', 'k'),
    refusal: refused("exchange 'nothing'"),
  },
  {
    what: 'queue.bind with both',
    write: '^q$',
    read: '^direct$',
    run: (channel) => channel.bindQueue('q', 'direct', 'k'),
    refusal: null,
  },
  {
    what: 'queue.bind to a topic exchange takes read on the key',
    write: '^q$',
    read: '^topic$',
    topic: { write: '.*', read: '^mine\\.' },
    run: (channel) => channel.bindQueue('q', 'topic', 'others.#'),
    refusal: refused("topic 'others.#'", " in exchange 'topic'"),
  },
  {
    what: 'queue.bind to the default exchange is refused to all, after write on the queue',
    run: (channel) => channel.bindQueue('q', '', 'k'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'queue.bind to the default exchange takes no read',
    write: '.*',
    run: (channel) => channel.bindQueue('q', '', 'k'),
    refusal: 'ACCESS_REFUSED - operation not permitted on the default exchange',
  },
  {
    what: 'queue.unbind takes what bind does',
    write: '.*',
    run: (channel) => channel.unbindQueue('q', 'direct', 'k'),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'queue.unbind takes write on the queue',
    read: '.*',
    run: (channel) => channel.unbindQueue('q', 'direct', 'k'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'exchange.bind takes write on the destination',
    read: '.*',
    run: (channel) => channel.bindExchange('direct2', 'direct', 'k'),
    refusal: refused("exchange 'direct2'"),
  },
  {
    what: 'exchange.bind takes read on the source',
    write: '.*',
    run: (channel) => channel.bindExchange('direct2', 'direct', 'k'),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'exchange.bind with both',
    write: '^direct2$',
    read: '^direct$',
    run: (channel) => channel.bindExchange('direct2', 'direct', 'k'),
    refusal: null,
  },
  {
    what: 'exchange.bind to the default exchange takes write on amq.default',
    read: '.*',
    run: (channel) => channel.bindExchange('', 'direct', 'k'),
    refusal: refused("exchange 'amq.default'"),
  },
  {
    what: 'exchange.unbind takes what bind does',
    read: '.*',
    run: (channel) => channel.unbindExchange('direct2', 'direct', 'k'),
    refusal: refused("exchange 'direct2'"),
  },
  {
    what: 'exchange.declare takes configure',
    write: '.*',
    read: '.*',
    run: (channel) => channel.assertExchange('new', 'direct'),
    refusal: refused("exchange 'new'"),
  },
  {
    what: 'exchange.declare, passive, takes nothing',
    run: (channel) => channel.checkExchange('direct'),
    refusal: null,
  },
  {
    what: 'exchange.declare with an alternate exchange takes read on itself',
    configure: '.*',
    write: '.*',
    run: (channel) => channel.assertExchange('new', 'direct', { alternateExchange: 'direct' }),
    refusal: refused("exchange 'new'"),
  },
  {
    what: 'exchange.declare with an alternate exchange takes write on that',
    configure: '.*',
    read: '.*',
    run: (channel) => channel.assertExchange('new', 'direct', { alternateExchange: 'direct' }),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'exchange.declare with an alternate exchange and all three',
    configure: '^new$',
    write: '^direct$',
    read: '^new$',
    run: (channel) =>
      channel.assertExchange('new', 'direct', { alternateExchange: 'direct', autoDelete: true }),
    refusal: null,
  },
  {
    what: 'exchange.delete takes configure',
    write: '.*',
    read: '.*',
    run: (channel) => channel.deleteExchange('direct2'),
    refusal: refused("exchange 'direct2'"),
  },
  {
    what: 'exchange.delete of what nobody may delete is refused as such',
    run: (channel) => channel.deleteExchange('amq.direct'),
    refusal: "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
  },
  {
    what: 'basic.publish takes write',
    configure: '.*',
    read: '.*',
    run: (channel) => publish(channel, 'direct', 'k'),
    refusal: refused("exchange 'direct'"),
  },
  {
    what: 'basic.publish takes write before it says that the exchange is not there',
    run: (channel) => publish(channel, 'nothing', 'k'),
    refusal: refused("exchange 'nothing'"),
  },
  {
    what: 'basic.publish to the default exchange takes write on amq.default',
    write: '^q$',
    run: (channel) => publish(channel, '', 'q'),
    refusal: refused("exchange 'amq.default'"),
  },
  {
    what: 'basic.publish to the default exchange with write on amq.default',
    write: '^amq\\.default$',
    run: (channel) => publish(channel, '', 'q'),
    refusal: null,
  },
  {
    what: 'basic.publish to a topic exchange takes write on the key',
    write: '.*',
    topic: { write: '^{username}\\.', read: '' },
    run: (channel) => publish(channel, 'topic', 'bob.news'),
    refusal: refused("topic 'bob.news'", " in exchange 'topic'"),
  },
  {
    what: 'basic.publish to a topic exchange with write on the key',
    write: '.*',
    topic: { write: '^{username}\\.', read: '' },
    run: (channel) => publish(channel, 'topic', 'ada.news'),
    refusal: null,
  },
  {
    what: 'basic.publish to another exchange asks nothing about topics',
    write: '.*',
    topic: { write: '', read: '' },
    run: (channel) => publish(channel, 'direct', 'bob.news'),
    refusal: null,
  },
  {
    what: 'basic.consume takes read',
    configure: '.*',
    write: '.*',
    run: (channel) => channel.consume('q', NONE),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'basic.consume with read',
    read: '^q$',
    run: (channel) => channel.consume('q', NONE),
    refusal: null,
  },
  {
    what: 'basic.get takes read',
    configure: '.*',
    write: '.*',
    run: (channel) => channel.get('q'),
    refusal: refused("queue 'q'"),
  },
  {
    what: 'basic.get takes read before it says that the queue is not there',
    run: (channel) => channel.get('nothing'),
    refusal: refused("queue 'nothing'"),
  },
  { what: 'basic.get with read', read: '^q$', run: (channel) => channel.get('q'), refusal: null },
];

/** What the channel was told: the text of channel.close, or null. */
export async function outcome(channel: Channel, { run }: PermissionCase): Promise<string | null> {
  let refusal: string | null = null;
  channel.on('error', (error: Error) => {
    refusal ??= error.message;
  });
  try {
    await run(channel);
  } catch (error) {
    refusal ??= error instanceof Error ? error.message : String(error);
  }
  return refusal === null ? null : (/"(.*)"$/s.exec(refusal)?.[1] ?? refusal);
}
