import type { Command } from 'commander';
import { showCommand } from './command.ts';

export function overviewCommand(): Command {
  return showCommand(
    'overview',
    'Prints how much there is in the broker, and how much memory and disk it uses.',
    (call) => call.client.get(['overview']),
  );
}
