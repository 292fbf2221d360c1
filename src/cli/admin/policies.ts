import type { Command } from 'commander';
import type { Item } from './client.ts';
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
import { note } from './note.ts';

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
  const definition = jsonObject('--definition', call.option('definition'));
  await call.client.put([path, vhostOf(call), name], {
    pattern,
    definition,
    'apply-to': call.option('applyTo'),
    priority,
  });
  await noteEffect(path, call, name, definition);
}

/** Says so where the policy holds for nothing, or changes nothing for what it holds for. */
async function noteEffect(path: string, call: Call, name: string, definition: Item): Promise<void> {
  const vhost = vhostOf(call);
  const [queues, exchanges] = await Promise.all([
    call.client.list(['queues', vhost]),
    call.client.list(['exchanges', vhost]),
  ]);
  const field = path === 'policies' ? 'policy' : 'operator_policy';
  const held = [...queues, ...exchanges].filter((each) => each[field] === name);
  if (held.length === 0) {
    note(
      `it holds for nothing in vhost '${vhost}' now: no name matches, or policies of a higher priority come first; ` +
        'it will hold for what is made later',
    );
  }
  if (definition.remember !== true) return;
  for (const each of exchanges) {
    if (each[field] !== name || each.type !== 'x-stream') continue;
    note(
      `'${each.name}' is a stream already and keeps what is published to it; 'remember' changes nothing there`,
    );
  }
}
