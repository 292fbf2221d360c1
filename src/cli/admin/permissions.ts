import type { Command } from 'commander';
import type { Item } from './client.ts';
import {
  adminCommand,
  type Call,
  group,
  listCommand,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';
import { note } from './note.ts';

const PATTERNS =
  "Patterns are regular expressions that match anywhere in a name: '^app-' for names that begin so, '.*' for all, " +
  "'' for none.";

export function permissionsCommand(): Command {
  const description = `What users may do with queues and exchanges, in each virtual host. ${PATTERNS}`;
  return group('permissions', description, [
    filtered('list', 'list permissions', ['user', 'vhost', 'configure', 'write', 'read'], 'permissions'),
    withVhost(adminCommand('set', `let a user into a virtual host. ${PATTERNS}`, setPermission))
      .argument('<user>')
      .requiredOption('--configure <PATTERN>', 'what the user may declare and delete')
      .requiredOption('--write <PATTERN>', 'where the user may publish, and what may be bound')
      .requiredOption('--read <PATTERN>', 'from what the user may consume, and bind'),
    withVhost(
      adminCommand('delete', 'keep a user out of a virtual host', async (call, user = '') => {
        await call.client.delete(['permissions', vhostOf(call), user]);
      }),
    ).argument('<user>'),
  ]);
}

export function topicPermissionsCommand(): Command {
  const description =
    'With which routing keys users may publish to topic exchanges and bind to them. Where nothing is said, all are ' +
    'allowed. {username} and {vhost} in a pattern stand for the names.';
  return group('topic-permissions', description, [
    filtered(
      'list',
      'list topic permissions',
      ['user', 'vhost', 'exchange', 'write', 'read'],
      'topic-permissions',
    ),
    withVhost(
      adminCommand('set', `limit a user's routing keys on an exchange. ${PATTERNS}`, setTopicPermission),
    )
      .argument('<user>')
      .requiredOption('--exchange <NAME>', 'the topic exchange')
      .requiredOption('--write <PATTERN>', 'with which routing keys the user may publish')
      .requiredOption('--read <PATTERN>', 'with which routing keys the user may bind'),
    withVhost(
      adminCommand('delete', 'take the limits away', async (call, user = '') => {
        await call.client.delete(['topic-permissions', vhostOf(call), user], {
          exchange: call.option('exchange'),
        });
      }),
    )
      .argument('<user>')
      .option('--exchange <NAME>', 'of this exchange only'),
  ]);
}

function filtered(name: string, description: string, columns: readonly string[], path: string): Command {
  const fetch = async (call: Call): Promise<readonly Item[]> => {
    const [user, vhost] = [call.option('user'), call.option('vhost')];
    if (vhost !== undefined) await call.client.get(['vhosts', vhost]);
    const items = await call.client.list(user === undefined ? [path] : ['users', user, path]);
    return vhost === undefined ? items : items.filter((item) => item.vhost === vhost);
  };
  return withVhostFilter(listCommand(name, description, columns, fetch)).option(
    '--user <NAME>',
    'only those of this user',
  );
}

async function setPermission(call: Call, user = ''): Promise<void> {
  await call.client.put(['permissions', vhostOf(call), user], {
    configure: call.option('configure'),
    write: call.option('write'),
    read: call.option('read'),
  });
}

async function setTopicPermission(call: Call, user = ''): Promise<void> {
  const exchange = call.option('exchange') ?? '';
  await call.client.put(['topic-permissions', vhostOf(call), user], {
    exchange,
    write: call.option('write'),
    read: call.option('read'),
  });
  const found = await call.client.find(['exchanges', vhostOf(call), exchange]);
  if (found === undefined) {
    note(`there is no exchange '${exchange}' in vhost '${vhostOf(call)}'; this counts once there is`);
  } else if (found.type !== 'topic') {
    note(
      `exchange '${exchange}' is of type ${found.type}; topic permissions count for topic exchanges alone`,
    );
  }
}
