import type { Command } from 'commander';
import {
  adminCommand,
  type Call,
  group,
  jsonObject,
  listCommand,
  pathWithVhost,
  usageError,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';

const COLUMNS = ['vhost', 'name', 'pattern', 'apply-to', 'definition', 'priority'];

export function policiesCommand(): Command {
  return policyGroup(
    'policies',
    'Settings for all queues and exchanges whose names match, now and later. Of several that match, the one with the ' +
      'highest priority counts, alone.',
  );
}

export function operatorPoliciesCommand(): Command {
  return policyGroup(
    'operator-policies',
    'Limits that hold whatever the clients and the policies say: of two numbers the lower one counts.',
  );
}

function policyGroup(path: string, description: string): Command {
  return group(path, description, [
    withVhostFilter(
      listCommand('list', 'list them', COLUMNS, (call) => call.client.list(pathWithVhost(call, path))),
    ),
    withVhost(
      adminCommand('set', 'add one, or replace the one of this name', (...args) => set(path, ...args)),
    )
      .argument('<name>')
      .argument('<pattern>', "a regular expression for names: '^logs\\.'")
      .requiredOption('--definition <JSON>', 'the settings: \'{"max-length": 1000, "message-ttl": 60000}\'')
      .option('--apply-to <WHAT>', 'queues, classic_queues, quorum_queues, exchanges or all', 'all')
      .option('--priority <NUMBER>', 'the highest of those that match counts', '0'),
    withVhost(
      adminCommand('delete', 'delete one', async (call, name = '') => {
        await call.client.delete([path, vhostOf(call), name]);
      }),
    ).argument('<name>'),
  ]);
}

async function set(path: string, call: Call, name = '', pattern = ''): Promise<void> {
  const priority = Number(call.option('priority'));
  if (!Number.isSafeInteger(priority))
    throw usageError(`--priority: '${call.option('priority')}' is no whole number`);
  await call.client.put([path, vhostOf(call), name], {
    pattern,
    definition: jsonObject('--definition', call.option('definition')),
    'apply-to': call.option('applyTo'),
    priority,
  });
}
