import type { Command } from 'commander';
import { didYouMean } from '../../base/suggestion.ts';
import { adminCommand, type Call, group, listCommand, usageError } from './command.ts';
import { confirmLoss, counted, withForce } from './confirmation.ts';
import { note } from './note.ts';
import { newPassword } from './password.ts';

export function usersCommand(): Command {
  return group('users', 'Who may connect. What each may do is said with `sluice permissions`.', [
    listCommand('list', 'list all users', ['name', 'tags', 'has_password'], ({ client }) =>
      client.list(['users']),
    ),
    withPassword(adminCommand('add', 'add a user; the password is asked for on the terminal', add))
      .argument('<name>')
      .option('--tags <TAGS>', 'administrator, monitoring, impersonator; separated by commas')
      .option('--no-password', 'a user without one, who can be let in by a certificate alone'),
    withPassword(adminCommand('set', "change a user's password, tags, or both", set))
      .argument('<name>')
      .option('--password', 'change the password; it is asked for on the terminal')
      .option('--no-password', 'take the password away: only a certificate lets this user in then')
      .option('--tags <TAGS>', "the user's tags from now on, separated by commas; '' for none"),
    withForce(
      adminCommand('delete', 'delete a user and its permissions; its connections are closed', remove),
    ).argument('<name>'),
  ]);
}

function withPassword(command: Command): Command {
  return command.option('--password-stdin', 'read the password from the first line of standard input');
}

async function add(call: Call, name = ''): Promise<void> {
  const users = await call.client.list(['users']);
  if (users.some((user) => user.name === name)) {
    throw new Error(`user '${name}' is there already; \`sluice users set\` changes it`);
  }
  const password = call.without('password') ? '' : await newPassword(name, call.flag('passwordStdin'));
  await call.client.put(['users', name], { password, tags: call.option('tags') ?? '' });
  noteTags(call.option('tags'));
}

async function set(call: Call, name = ''): Promise<void> {
  const tags = call.option('tags');
  const isAsked = call.flag('password') || call.flag('passwordStdin');
  if (tags === undefined && !isAsked && !call.without('password')) {
    throw usageError('nothing to change was given: --password, --password-stdin, --no-password or --tags');
  }
  // A user that is not there must not be made by a slip of the keyboard.
  await call.client.get(['users', name]);
  const password = isAsked ? await newPassword(name, call.flag('passwordStdin')) : '';
  await call.client.put(['users', name], {
    ...(isAsked || call.without('password') ? { password } : {}),
    ...(tags === undefined ? {} : { tags }),
  });
  noteTags(tags);
}

async function remove(call: Call, name = ''): Promise<void> {
  await call.client.get(['users', name]);
  const [permissions, connections] = await Promise.all([
    call.client.list(['users', name, 'permissions']),
    call.client.list(['connections']),
  ]);
  await confirmLoss(call, 'delete', {
    what: `user '${name}'`,
    goes: [
      'its password',
      ...counted(permissions.length, 'virtual host that it may use', 'virtual hosts that it may use'),
      ...counted(connections.filter(({ user }) => user === name).length, 'open connection'),
    ],
  });
  await call.client.delete(['users', name]);
}

/** What some tags allow is built in; any other is taken, as in RabbitMQ, and means nothing. */
const TAGS = ['administrator', 'monitoring', 'impersonator'];
/** In RabbitMQ they are for its HTTP API. Nobody logs in at ours. */
const TAGS_OF_MANAGEMENT = ['policymaker', 'management'];

function noteTags(tags = ''): void {
  for (const tag of tags.split(',').map((each) => each.trim())) {
    if (tag === '' || TAGS.includes(tag)) continue;
    if (TAGS_OF_MANAGEMENT.includes(tag)) {
      note(`the tag '${tag}' allows nothing: it is for RabbitMQ's management API, which is not built`);
      continue;
    }
    note(`the tag '${tag}' allows nothing${didYouMean(tag, TAGS)}; tags that do: ${TAGS.join(', ')}`);
  }
}
