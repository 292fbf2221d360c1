import type { Command } from 'commander';
import type { Item } from './client.ts';
import { adminCommand, type Call, group, listCommand, usageError } from './command.ts';
import { confirmLoss, counted, withForce } from './confirmation.ts';
import { note } from './note.ts';

export function vhostsCommand(): Command {
  const columns = ['name', 'queues', 'connections', 'messages_ready', 'messages_unacknowledged', 'tracing'];
  return group('vhosts', 'Virtual hosts: each has users, queues and exchanges of its own.', [
    listCommand('list', 'list all virtual hosts', columns, ({ client }) => client.list(['vhosts'])),
    adminCommand(
      'add',
      'add a virtual host; nobody may use it until `sluice permissions set` lets them in',
      async ({ client }, name = '') => {
        const isNew = await client.put(['vhosts', name]);
        if (!isNew) note(`virtual host '${name}' is there already; nothing was changed`);
      },
    ).argument('<name>'),
    withForce(
      adminCommand(
        'delete',
        'delete a virtual host with its queues and all messages in them; its connections are closed',
        removeVhost,
      ),
    ).argument('<name>'),
  ]);
}

async function removeVhost(call: Call, name = ''): Promise<void> {
  const { client } = call;
  const { queues, messages, connections } = await client.get(['vhosts', name]);
  const [streams, exchanges] = await Promise.all([
    client.list(['streams', name]),
    client.list(['exchanges', name]),
  ]);
  // Those that every virtual host has, and the exchanges of its streams, are no loss of their own.
  const own = exchanges.filter(
    (each) => each.name !== '' && !String(each.name).startsWith('amq.') && each.type !== 'x-stream',
  );
  await confirmLoss(call, 'delete', {
    what: `virtual host '${name}'`,
    goes: [
      ...counted(queues, 'queue'),
      ...counted(messages, 'message'),
      ...counted(own.length, 'exchange'),
      ...counted(streams.length, 'stream'),
      ...counted(
        streams.reduce((sum, each) => sum + Number(each.messages), 0),
        'record',
      ),
      ...counted(connections, 'open connection'),
    ],
  });
  await client.delete(['vhosts', name]);
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
