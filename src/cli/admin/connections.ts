import type { Command } from 'commander';
import type { Item } from './client.ts';
import {
  adminCommand,
  type Call,
  group,
  listCommand,
  showCommand,
  usageError,
  withVhostFilter,
} from './command.ts';
import { note } from './note.ts';

export function connectionsCommand(): Command {
  const columns = ['id', 'name', 'user', 'vhost', 'protocol', 'state', 'channels', 'recv_oct', 'send_oct'];
  return group('connections', 'Who is connected.', [
    withVhostFilter(
      listCommand('list', 'list connections', columns, (call) =>
        call.client.list(inVhost(call, 'connections')),
      ),
    ),
    showCommand('show', 'all that is known of a connection', ({ client }, which = '') =>
      findConnection(client, which),
    ).argument('<connection>', 'its id or its name'),
    adminCommand('close', 'close a connection, or all of a user or a virtual host; prints how many', close)
      .argument('[connection]', 'its id or its name')
      .option('--user <NAME>', 'all connections of this user')
      .option('--vhost <NAME>', 'all connections to this virtual host')
      .option('--reason <TEXT>', 'what the client is told'),
  ]);
}

export function channelsCommand(): Command {
  const columns = [
    'name',
    'user',
    'vhost',
    'consumer_count',
    'messages_unacknowledged',
    'prefetch_count',
    'confirm',
    'transactional',
    'state',
  ];
  return group('channels', 'The channels of connections.', [
    withVhostFilter(
      listCommand('list', 'list channels', columns, (call) => call.client.list(inVhost(call, 'channels'))),
    ),
  ]);
}

export function consumersCommand(): Command {
  const columns = [
    'queue.vhost',
    'queue.name',
    'consumer_tag',
    'channel_details.name',
    'ack_required',
    'prefetch_count',
    'exclusive',
    'active',
  ];
  return group('consumers', 'Who consumes from which queue.', [
    withVhostFilter(
      listCommand('list', 'list consumers', columns, (call) => {
        const vhost = call.option('vhost');
        return call.client.list(vhost === undefined ? ['consumers'] : ['consumers', vhost]);
      }),
    ),
  ]);
}

function inVhost(call: Call, things: string): string[] {
  const vhost = call.option('vhost');
  return vhost === undefined ? [things] : ['vhosts', vhost, things];
}

async function findConnection(client: Call['client'], which: string): Promise<Item> {
  const all = await client.list(['connections']);
  const found = all.find(({ id, name }) => String(id) === which || name === which);
  if (found === undefined) throw new Error(`no connection '${which}'`);
  return found;
}

async function close(call: Call, which?: string): Promise<void> {
  const [user, vhost] = [call.option('user'), call.option('vhost')];
  if ((which === undefined) === (user === undefined && vhost === undefined)) {
    throw usageError('say which connection, or all of whom: an id, a name, --user or --vhost');
  }
  const all = which === undefined ? await call.client.list(['connections']) : [];
  const found =
    which === undefined
      ? all.filter(
          (each) =>
            (user === undefined || each.user === user) && (vhost === undefined || each.vhost === vhost),
        )
      : [await findConnection(call.client, which)];
  for (const { name } of found) {
    await call.client.delete(['connections', String(name)], { reason: call.option('reason') });
  }
  process.stdout.write(`${found.length}\n`);
  if (found.length === 0) note('there is no such connection; nothing was closed');
}
