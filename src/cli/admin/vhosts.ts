import type { Command } from 'commander';
import type { Item } from './client.ts';
import { adminCommand, type Call, group, listCommand, usageError } from './command.ts';

export function vhostsCommand(): Command {
  const columns = ['name', 'queues', 'connections', 'messages_ready', 'messages_unacknowledged', 'tracing'];
  return group('vhosts', 'Virtual hosts: each has users, queues and exchanges of its own.', [
    listCommand('list', 'list all virtual hosts', columns, ({ client }) => client.list(['vhosts'])),
    adminCommand(
      'add',
      'add a virtual host; nobody may use it until `sluice permissions set` lets them in',
      async ({ client }, name = '') => client.put(['vhosts', name]),
    ).argument('<name>'),
    adminCommand(
      'delete',
      'delete a virtual host with its queues and all messages in them; its connections are closed',
      async ({ client }, name = '') => {
        await client.delete(['vhosts', name]);
      },
    ).argument('<name>'),
  ]);
}

export function limitsCommand(): Command {
  const description =
    'How many connections, queues, bindings, partitions and the like a user or a virtual host may have: ' +
    'max-connections, max-queues, and so on for each kind that `sluice limits use` lists.';
  const columns = ['vhost', 'user', 'limit', 'value'];
  return group('limits', description, [
    of(listCommand('list', 'list all limits that were set here', columns, list)),
    of(listCommand('use', 'what a user or a virtual host has, and may have', ['kind', 'used', 'limit'], use)),
    of(adminCommand('set', 'set a limit; it holds for what is opened from now on', set))
      .argument('<limit>')
      .argument('<value>'),
    of(adminCommand('delete', 'take a limit away', remove)).argument('<limit>'),
  ]);
}

function of(command: Command): Command {
  return command
    .option('--vhost <NAME>', 'a limit of this virtual host')
    .option('--user <NAME>', 'a limit of this user');
}

async function list(call: Call): Promise<readonly Item[]> {
  const [vhost, user] = [call.option('vhost'), call.option('user')];
  const found: Item[] = [];
  if (user === undefined) {
    const path = vhost === undefined ? ['vhost-limits'] : ['vhost-limits', vhost];
    for (const item of await call.client.list(path)) found.push(item);
  }
  if (vhost === undefined) {
    const path = user === undefined ? ['user-limits'] : ['user-limits', user];
    for (const item of await call.client.list(path)) found.push(item);
  }
  return found.flatMap(({ value, ...whose }) =>
    Object.entries(value as Item).map(([limit, number]) => ({ ...whose, limit, value: number })),
  );
}

/** Also where the limit is one of the settings. */
async function use(call: Call): Promise<readonly Item[]> {
  const [vhost, user] = [call.option('vhost'), call.option('user')];
  if ((vhost === undefined) === (user === undefined)) {
    throw usageError('give --vhost or --user');
  }
  return call.client.list(
    vhost === undefined ? ['users', user as string, 'objects'] : ['vhosts', vhost, 'objects'],
  );
}

async function set(call: Call, limit = '', value = ''): Promise<void> {
  if (!/^\d+$/.test(value)) throw usageError(`'${value}' is no limit: it has to be a whole number`);
  await call.client.put([...whose(call), limit], { value: Number(value) });
}

async function remove(call: Call, limit = ''): Promise<void> {
  await call.client.delete([...whose(call), limit]);
}

function whose(call: Call): string[] {
  const [vhost, user] = [call.option('vhost'), call.option('user')];
  if ((vhost === undefined) === (user === undefined)) {
    throw usageError('a limit is of a virtual host or of a user: give --vhost or --user');
  }
  return vhost === undefined ? ['user-limits', user as string] : ['vhost-limits', vhost];
}
