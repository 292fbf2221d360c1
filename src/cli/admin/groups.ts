import type { Command } from 'commander';
import type { Item } from './client.ts';
import {
  adminCommand,
  type Call,
  group,
  listCommand,
  pathWithVhost,
  showCommand,
  usageError,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';
import { confirmLoss, counted, withForce } from './confirmation.ts';
import { note } from './note.ts';
import { renderTable } from './table.ts';

const OFFSET_COLUMNS = ['stream', 'partition', 'offset', 'end_offset', 'lag', 'metadata', 'committed_at'];

export function groupsCommand(): Command {
  const columns = ['vhost', 'name', 'type', 'state', 'members', 'lag'];
  return group('groups', 'Groups of readers: who is in them, and how far they have read.', [
    withVhostFilter(
      listCommand('list', 'list groups', columns, (call) => call.client.list(pathWithVhost(call, 'groups'))),
    ),
    withVhost(
      showCommand('describe', 'all that is known of a group, with its members', (call, name = '') =>
        call.client.get(['groups', vhostOf(call), name]),
      ),
    ).argument('<name>'),
    withVhost(
      listCommand(
        'offsets',
        'how far a group has read each partition, and how far behind it is',
        OFFSET_COLUMNS,
        async (call, name = '') => {
          const { offsets } = await call.client.get(['groups', vhostOf(call), name]);
          return offsets as readonly Item[];
        },
      ),
    ).argument('<name>'),
    withForce(
      withVhost(
        adminCommand('delete', 'delete a group without members, and what it has committed', remove),
      ).argument('<name>'),
    ),
    withVhost(
      adminCommand('reset-offsets', 'say where a group without members is to read on; prints it', reset),
    )
      .argument('<name>')
      .requiredOption('--stream <NAME>', 'the stream, a topic')
      .requiredOption(
        '--to <WHERE>',
        'earliest, latest, an offset, a shift such as -100, a time as 2026-05-01T12:00:00Z',
      )
      .option('--partition <NUMBER>', 'only this one (default: all)')
      .option('--dry-run', 'only print what would be'),
  ]);
}

async function remove(call: Call, name = ''): Promise<void> {
  const path = ['groups', vhostOf(call), name];
  const { offsets } = await call.client.get(path);
  const count = Array.isArray(offsets) ? offsets.length : 0;
  await confirmLoss(call, 'delete', {
    what: `group '${name}' in vhost '${vhostOf(call)}'`,
    goes: counted(count, 'committed offset'),
  });
  await call.client.delete(path);
}

async function reset(call: Call, name = ''): Promise<void> {
  const partition = call.option('partition');
  if (partition !== undefined && !/^\d{1,9}$/.test(partition)) {
    throw usageError(`--partition: '${partition}' is no number of a partition`);
  }
  const isThere = (await call.client.find(['groups', vhostOf(call), name])) !== undefined;
  const moved = await call.client.post(['groups', vhostOf(call), name, 'offsets'], {
    stream: call.option('stream'),
    to: call.option('to'),
    ...(partition === undefined ? {} : { partition: Number(partition) }),
    dry_run: call.flag('dryRun'),
  });
  process.stdout.write(
    renderTable(moved as readonly Item[], ['stream', 'partition', 'previous_offset', 'offset']),
  );
  if (!isThere) {
    note(
      call.flag('dryRun')
        ? `there is no group '${name}'; without --dry-run it would be made`
        : `there was no group '${name}'; it is made, with these offsets`,
    );
  }
}
