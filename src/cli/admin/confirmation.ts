import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { Call } from './command.ts';

/** What a command is about to take away for good. */
export interface Loss {
  /** The thing, as in "queue 'orders' in vhost '/'". */
  readonly what: string;
  /** What goes with it: "1200 messages", "2 consumers". With nothing in it nobody is asked. */
  readonly goes: readonly string[];
  /** Another way than `--force`, if there is one: "or --if-empty to …". */
  readonly otherwise?: string;
}

/** The flag that answers yes beforehand, for scripts. */
export function withForce(command: Command): Command {
  return command.option('--force', 'do not ask, whatever goes with it');
}

/** Asks on the terminal; without one, `--force` has to be given. @throws Error if it was not, or the answer is no */
export async function confirmLoss(call: Call, verb: 'delete' | 'purge', loss: Loss): Promise<void> {
  const { what, goes, otherwise } = loss;
  if (goes.length === 0 || call.flag('force')) return;
  const list = listed(goes);
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    const advice = otherwise === undefined ? '' : `, ${otherwise}`;
    throw new Error(`to ${verb} ${what} takes away ${list}; give --force to do it all the same${advice}`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`To ${verb} ${what} takes away ${list}. Go on? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Error('nothing was changed');
  } finally {
    terminal.close();
  }
}

/** `1 message`, `3 messages`; nothing for none. */
export function counted(number: unknown, thing: string, things = `${thing}s`): readonly string[] {
  const count = Number(number ?? 0);
  return count === 0 ? [] : [`${count} ${count === 1 ? thing : things}`];
}

function listed(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
