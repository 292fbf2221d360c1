import type { Command } from 'commander';
import { printable, printableJson } from '../../base/printable.ts';
import type { Item } from './client.ts';
import { adminCommand, type Call, group, vhostOf, withVhost } from './command.ts';
import { note } from './note.ts';
import { cellText } from './table.ts';

export function eventsCommand(): Command {
  return adminCommand(
    'events',
    'Prints what happens in the broker as it happens, until it is interrupted: a line for each event. Clients get the\n' +
      "same from the exchange 'amq.rabbitmq.event' in the virtual host '/'.",
    follow,
  )
    .argument('[pattern]', "which events, as a topic exchange would have it: 'queue.*'", '#')
    .option('--json', 'print a JSON object a line');
}

export function traceCommand(): Command {
  const description =
    'Copies of all messages of a virtual host, for debugging: each that is published or delivered is also sent to the\n' +
    "exchange 'amq.rabbitmq.trace' there, with the key publish.<exchange> or deliver.<queue>. It costs speed, and ends\n" +
    'when the broker stops.';
  const turn = (name: string, text: string, tracing: boolean): Command =>
    withVhost(
      adminCommand(name, text, async (call) => {
        // A virtual host that is not there must not be made by a slip of the keyboard.
        const { tracing: before } = await call.client.get(['vhosts', vhostOf(call)]);
        await call.client.put(['vhosts', vhostOf(call)], { tracing });
        if (before === tracing)
          note(`messages of vhost '${vhostOf(call)}' are ${tracing ? '' : 'not '}copied already`);
      }),
    );
  return group('trace', description, [
    turn('on', 'begin to copy', true),
    turn('off', 'end it', false),
    withVhost(
      adminCommand('status', 'print on or off', async (call) => {
        const { tracing } = await call.client.get(['vhosts', vhostOf(call)]);
        process.stdout.write(tracing === true ? 'on\n' : 'off\n');
      }),
    ),
  ]);
}

async function follow(call: Call, pattern = '#'): Promise<void> {
  const isJson = call.flag('json');
  await call.client.follow(['events'], { pattern }, (line) => {
    process.stdout.write(isJson ? printableJson(`${JSON.stringify(line)}\n`) : eventText(line));
  });
}

/** `2026-01-31T12:00:00.000Z  queue.created  name=orders vhost=/ …` */
function eventText({ event, timestamp, ...fields }: Item): string {
  const time = new Date(Number(timestamp)).toISOString();
  const details = Object.entries(fields).map(([field, value]) => `${printable(field)}=${cellText(value)}`);
  return `${time}  ${cellText(event)}  ${details.join(' ')}\n`;
}
