import type { Command } from 'commander';
import type { Item } from './client.ts';
import {
  adminCommand,
  type Call,
  group,
  listCommand,
  noteMissingUser,
  pathWithVhost,
  usageError,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';

const DESCRIPTION =
  'Access control lists for Kafka clients, as `kafka-acls` makes them: what they deny is denied, what they allow is ' +
  'allowed; where they say nothing, `sluice permissions` decide.';
const COLUMNS = ['vhost', 'principal', 'permission', 'operation', 'resource', 'name', 'pattern', 'host'];
/** The flags that say what it is about, and the resource that each stands for. */
const RESOURCES: readonly (readonly [string, string])[] = [
  ['topic', 'topic'],
  ['group', 'group'],
  ['transactionalId', 'transactional-id'],
];
const CLUSTER_NAME = 'kafka-cluster';

export function aclsCommand(): Command {
  return group('acls', DESCRIPTION, [
    about(withVhostFilter(listCommand('list', 'list what is said', COLUMNS, list))).option(
      '--user <NAME>',
      'only those for this user',
    ),
    about(withVhost(adminCommand('add', 'allow a user something, or deny it', add)))
      .argument('<user>', "a user, or '*' for all")
      .requiredOption(
        '--operations <NAMES>',
        'such as read, write, describe, create, all; separated by commas',
      )
      .option('--prefixed', 'all whose names begin so')
      .option('--deny', 'deny it, whatever else is said')
      .option('--from <ADDRESS>', 'only from this address', '*'),
    about(withVhost(adminCommand('delete', 'take back what was said for a user', remove)))
      .argument('<user>', "a user, or '*' for what is said for all")
      .option('--operation <NAME>', 'only for this operation'),
  ]);
}

function about(command: Command): Command {
  return command
    .option('--topic <NAME>', "a topic; '*' for all")
    .option('--group <NAME>', "a group of consumers; '*' for all")
    .option('--transactional-id <NAME>', "a transactional id; '*' for all")
    .option('--cluster', 'the broker as a whole, as far as the virtual host is concerned');
}

async function list(call: Call): Promise<readonly Item[]> {
  const user = call.option('user');
  const principal = user === undefined ? undefined : `User:${user}`;
  const path = pathWithVhost(call, 'acls');
  const found = await call.client.list(path, { ...resourceOf(call), principal });
  if (found.length === 0) await noteMissingUser(call.client, user, 'what is said for it');
  return found;
}

async function add(call: Call, user = ''): Promise<void> {
  const about = resourceOf(call);
  if (about.resource === undefined) throw usageError(WHAT);
  for (const operation of (call.option('operations') ?? '').split(',')) {
    await call.client.put(['acls', vhostOf(call)], {
      ...about,
      principal: `User:${user}`,
      operation: operation.trim(),
      pattern: call.flag('prefixed') ? 'prefixed' : 'literal',
      permission: call.flag('deny') ? 'deny' : 'allow',
      host: call.option('from') ?? '*',
    });
  }
  await noteMissingUser(call.client, user, 'what is said for it');
}

async function remove(call: Call, user = ''): Promise<void> {
  const removed = (await call.client.delete(['acls', vhostOf(call)], {
    ...resourceOf(call),
    principal: `User:${user}`,
    operation: call.option('operation'),
  })) as readonly Item[];
  if (removed.length === 0) throw new Error(`nothing of this kind is said for '${user}'`);
}

const WHAT = 'what it is about is missing: --topic, --group, --transactional-id or --cluster';

function resourceOf(call: Call): { readonly resource?: string; readonly name?: string } {
  const given = RESOURCES.flatMap(([flag, resource]) => {
    const name = call.option(flag);
    return name === undefined ? [] : [{ resource, name }];
  });
  if (call.flag('cluster')) given.push({ resource: 'cluster', name: CLUSTER_NAME });
  if (given.length > 1)
    throw usageError('it is about one thing: give one of --topic, --group, --transactional-id, --cluster');
  return given[0] ?? {};
}
