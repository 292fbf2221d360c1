import { ADMINISTRATION, LOGINS } from './administration.ts';
import { AMQP_OPERATIONS, amqpAllows } from './amqp-operations.ts';
import { KAFKA_NEEDS, kafkaAllows } from './kafka-needs.ts';
import { SUBJECTS } from './subjects.ts';

/** docs/design/access-matrix.md, of the tables beside this file. */
export function page(): string {
  return [...introduction(), ...amqp(), ...kafka(), ...administration()].join('\n');
}

function introduction(): string[] {
  return [
    '# Who may do what',
    '',
    'Made from the tables in `test/access-matrix/`. Each cell is tried against a running broker. What is expected comes from the',
    "documentation of RabbitMQ and Kafka, not from Sluice's sources.",
    '',
    'The user of a column has its permissions on all names that begin with `secret`, in the virtual host `/`. It is asked to do',
    'something with `secret`. Two kinds of users cannot connect at all: one with permissions in another virtual host only, and one',
    'that may come from this machine only (`loopback-users`) and comes from another.',
    '',
    '[AMQP 0-9-1](#amqp-0-9-1) · [Kafka](#kafka) · [Administration](#administration)',
    '',
  ];
}

function amqp(): string[] {
  const users = SUBJECTS.filter(({ isRefused, isAnonymous }) => isRefused !== true && isAnonymous !== true);
  return [
    '## AMQP 0-9-1',
    '',
    'Access control lists do not count here. `secret` is a topic exchange, `secret.q` a queue, `secret.s` a stream.',
    '',
    ...head([''], users),
    ...AMQP_OPERATIONS.map((operation) =>
      row(
        [operation.name],
        users.map((each) => amqpAllows(each, operation)),
      ),
    ),
    '',
  ];
}

function kafka(): string[] {
  const users = SUBJECTS.filter(({ isRefused }) => isRefused !== true);
  return [
    '## Kafka',
    '',
    ...head([''], users),
    ...Object.entries(KAFKA_NEEDS).map(([api, needs]) =>
      row(
        [`${api}${needs.length === 0 ? '' : ` (${needs.join(', ')})`}`],
        users.map((each) => needs.every((need) => kafkaAllows(each, need))),
      ),
    ),
    '',
    'An API that needs nothing shows only what the client may describe.',
    '',
  ];
}

function administration(): string[] {
  const others = LOGINS.map(([tag]) => ({ name: `another user, ${tag}` }));
  return [
    '## Administration',
    '',
    'The command line asks the HTTP API on the socket in the data directory. That socket has the mode 0600. So the user of the operating',
    'system counts: the one whom the broker runs as may do everything. Other users of the system may do nothing, whatever tag the',
    'user of Sluice has whose name and password they give. The last column names what clients have for the same. Who may use that is',
    'in the tables above.',
    '',
    ...head(['command', 'request'], [{ name: "the broker's user" }, ...others], ['clients']),
    ...ADMINISTRATION.map(({ command, method, path, like }) =>
      row(
        [command === null ? '' : `\`${command}\``, `${method} \`${path}\``],
        [true, ...others.map(() => false)],
        [like ?? ''],
      ),
    ),
    '',
  ];
}

function head(
  before: readonly string[],
  columns: readonly { readonly name: string }[],
  after: readonly string[] = [],
): string[] {
  const names = [...before, ...columns.map(({ name }) => name), ...after];
  return [`| ${names.join(' | ')} |`.replace('|  |', '| |'), `|${names.map(() => '---').join('|')}|`];
}

function row(before: readonly string[], cells: readonly boolean[], after: readonly string[] = []): string {
  return `| ${[...before, ...cells.map((is) => (is ? 'yes' : '–')), ...after].join(' | ')} |`;
}
