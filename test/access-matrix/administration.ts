/** What the HTTP API of the control socket is asked for, in an order in which each request succeeds. */
export interface AdminOperation {
  /** Of `sluice`, that asks for it; null for what the API alone has. */
  readonly command: string | null;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** As in the request. `{connection}`, `{channel}` and `{properties}` stand for names that are known when it runs. */
  readonly path: string;
  readonly body?: object;
  /** What clients have for the same: an API of Kafka or a method of AMQP, which is in the tables of these. */
  readonly like?: string;
}

const EVERYTHING = { configure: '.*', write: '.*', read: '.*' };
const LIST = { resource: 'topic', name: 'secret', principal: 'User:ada', operation: 'read' };

type Row = readonly [
  command: string | null,
  method: AdminOperation['method'],
  path: string,
  rest?: Pick<AdminOperation, 'body' | 'like'>,
];

const ROWS: readonly Row[] = [
  ['overview', 'GET', '/api/overview'],
  ['users list', 'GET', '/api/users', { like: 'DescribeUserScramCredentials' }],
  ['users add', 'PUT', '/api/users/ada', { body: { password: 'ada', tags: '' } }],
  ['users set', 'PUT', '/api/users/ada', { body: { password: 'other' }, like: 'AlterUserScramCredentials' }],
  [null, 'GET', '/api/users/ada'],
  ['limits use', 'GET', '/api/users/ada/objects'],
  ['permissions set', 'PUT', '/api/permissions/%2F/ada', { body: EVERYTHING }],
  ['permissions list', 'GET', '/api/permissions'],
  [null, 'GET', '/api/permissions/%2F/ada'],
  [null, 'GET', '/api/users/ada/permissions'],
  [null, 'GET', '/api/vhosts/%2F/permissions'],
  [
    'topic-permissions set',
    'PUT',
    '/api/topic-permissions/%2F/ada',
    { body: { exchange: 'secret', write: '', read: '' } },
  ],
  ['topic-permissions list', 'GET', '/api/topic-permissions'],
  [null, 'GET', '/api/topic-permissions/%2F/ada'],
  [null, 'GET', '/api/users/ada/topic-permissions'],
  [null, 'GET', '/api/vhosts/%2F/topic-permissions'],
  ['topic-permissions delete', 'DELETE', '/api/topic-permissions/%2F/ada'],
  ['permissions delete', 'DELETE', '/api/permissions/%2F/ada'],
  ['acls add', 'PUT', '/api/acls/%2F', { body: LIST, like: 'CreateAcls' }],
  ['acls list', 'GET', '/api/acls', { like: 'DescribeAcls' }],
  [null, 'GET', '/api/acls/%2F'],
  ['acls delete', 'DELETE', '/api/acls/%2F?principal=User%3Aada', { like: 'DeleteAcls' }],
  [
    'quotas set',
    'PUT',
    '/api/quotas',
    { body: { user: 'ada', values: { producer_byte_rate: 1e6 } }, like: 'AlterClientQuotas' },
  ],
  ['quotas list', 'GET', '/api/quotas', { like: 'DescribeClientQuotas' }],
  ['quotas delete', 'DELETE', '/api/quotas?user=ada', { like: 'AlterClientQuotas' }],
  ['limits set', 'PUT', '/api/user-limits/ada/max-channels', { body: { value: 100 } }],
  ['limits list', 'GET', '/api/user-limits'],
  [null, 'GET', '/api/user-limits/ada'],
  ['limits delete', 'DELETE', '/api/user-limits/ada/max-channels'],
  ['users delete', 'DELETE', '/api/users/ada'],
  ['vhosts add', 'PUT', '/api/vhosts/tenant'],
  ['vhosts list', 'GET', '/api/vhosts'],
  ['trace on', 'PUT', '/api/vhosts/tenant', { body: { tracing: true } }],
  ['trace status', 'GET', '/api/vhosts/tenant'],
  ['trace off', 'PUT', '/api/vhosts/tenant', { body: { tracing: false } }],
  ['limits use', 'GET', '/api/vhosts/tenant/objects'],
  ['limits set', 'PUT', '/api/vhost-limits/tenant/max-queues', { body: { value: 100 } }],
  ['limits list', 'GET', '/api/vhost-limits'],
  [null, 'GET', '/api/vhost-limits/tenant'],
  ['limits delete', 'DELETE', '/api/vhost-limits/tenant/max-queues'],
  ['vhosts delete', 'DELETE', '/api/vhosts/tenant'],
  ['queues add', 'PUT', '/api/queues/%2F/q', { like: 'queue.declare' }],
  ['queues list', 'GET', '/api/queues'],
  [null, 'GET', '/api/queues/%2F'],
  ['queues show', 'GET', '/api/queues/%2F/q', { like: 'queue.declare, passive' }],
  ['queues purge', 'DELETE', '/api/queues/%2F/q/contents', { like: 'queue.purge' }],
  ['exchanges add', 'PUT', '/api/exchanges/%2F/x', { body: { type: 'topic' }, like: 'exchange.declare' }],
  ['exchanges list', 'GET', '/api/exchanges'],
  [null, 'GET', '/api/exchanges/%2F'],
  [null, 'GET', '/api/exchanges/%2F/x', { like: 'exchange.declare, passive' }],
  [
    'bindings add',
    'POST',
    '/api/bindings/%2F/e/x/q/q',
    { body: { routing_key: 'b' }, like: 'queue.bind, key b' },
  ],
  [
    'bindings add',
    'POST',
    '/api/bindings/%2F/e/x/e/amq.fanout',
    { body: { routing_key: 'b' }, like: 'exchange.bind, key b' },
  ],
  ['bindings list', 'GET', '/api/bindings'],
  [null, 'GET', '/api/bindings/%2F'],
  [null, 'GET', '/api/queues/%2F/q/bindings'],
  [null, 'GET', '/api/exchanges/%2F/x/bindings/source'],
  [null, 'GET', '/api/exchanges/%2F/x/bindings/destination'],
  [null, 'GET', '/api/bindings/%2F/e/x/q/q'],
  [null, 'GET', '/api/bindings/%2F/e/x/e/amq.fanout'],
  [null, 'GET', '/api/bindings/%2F/e/x/q/q/b'],
  [null, 'GET', '/api/bindings/%2F/e/x/e/amq.fanout/b'],
  ['bindings delete', 'DELETE', '/api/bindings/%2F/e/x/q/q/b', { like: 'queue.unbind, key b' }],
  ['bindings delete', 'DELETE', '/api/bindings/%2F/e/x/e/amq.fanout/b', { like: 'exchange.unbind, key b' }],
  ['exchanges delete', 'DELETE', '/api/exchanges/%2F/x', { like: 'exchange.delete' }],
  ['queues delete', 'DELETE', '/api/queues/%2F/q', { like: 'queue.delete' }],
  ['streams create', 'PUT', '/api/streams/%2F/s', { body: { partitions: 2 }, like: 'CreateTopics' }],
  ['streams list', 'GET', '/api/streams'],
  [null, 'GET', '/api/streams/%2F', { like: 'Metadata' }],
  ['streams describe', 'GET', '/api/streams/%2F/s', { like: 'DescribeConfigs' }],
  [
    'groups reset-offsets',
    'POST',
    '/api/groups/%2F/g/offsets',
    { body: { stream: 's', to: 'earliest' }, like: 'OffsetCommit' },
  ],
  ['groups list', 'GET', '/api/groups'],
  [null, 'GET', '/api/groups/%2F', { like: 'ListGroups' }],
  ['groups describe', 'GET', '/api/groups/%2F/g', { like: 'DescribeGroups' }],
  ['groups offsets', 'GET', '/api/groups/%2F/g', { like: 'OffsetFetch' }],
  ['groups delete', 'DELETE', '/api/groups/%2F/g', { like: 'DeleteGroups' }],
  ['streams delete', 'DELETE', '/api/streams/%2F/s', { like: 'DeleteTopics' }],
  ...(['policies', 'operator-policies'] as const).flatMap((kind): Row[] => [
    [
      `${kind} set`,
      'PUT',
      `/api/${kind}/%2F/p`,
      { body: { pattern: '^q', definition: { 'max-length': 10 }, 'apply-to': 'queues' } },
    ],
    [`${kind} list`, 'GET', `/api/${kind}`],
    [null, 'GET', `/api/${kind}/%2F`],
    [null, 'GET', `/api/${kind}/%2F/p`],
    [`${kind} delete`, 'DELETE', `/api/${kind}/%2F/p`],
  ]),
  ['connections list', 'GET', '/api/connections'],
  [null, 'GET', '/api/vhosts/%2F/connections'],
  ['connections show', 'GET', '/api/connections/{connection}'],
  [null, 'GET', '/api/connections/{connection}/channels'],
  ['channels list', 'GET', '/api/channels'],
  [null, 'GET', '/api/vhosts/%2F/channels'],
  [null, 'GET', '/api/channels/{channel}'],
  ['consumers list', 'GET', '/api/consumers'],
  [null, 'GET', '/api/consumers/%2F'],
  ['connections close', 'DELETE', '/api/connections/{connection}'],
  ['events', 'GET', '/api/events'],
];

export const ADMINISTRATION: readonly AdminOperation[] = ROWS.map(([command, method, path, rest]) => ({
  command,
  method,
  path,
  ...rest,
}));

/** Whoever asks: the tags of the user as whom it logs in. */
export const LOGINS: readonly (readonly [name: string, tags: readonly string[]])[] = [
  ['no tag', []],
  ...['administrator', 'monitoring', 'policymaker', 'management', 'impersonator'].map(
    (tag) => [tag, [tag]] as const,
  ),
];
