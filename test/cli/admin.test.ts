import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
/** Without the launcher, which looks for the right Node each time. */
const MAIN = [
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
];
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')),
);

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

let scratch: string;
let broker: ChildProcess;
let port: number;

function sluice(words: readonly string[], input = ''): Promise<Outcome> {
  const env = {
    ...ENVIRONMENT,
    SLUICE_DATA_DIR: join(scratch, 'data'),
    NODE_COMPILE_CACHE: join(scratch, 'cache'),
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...MAIN, ...words], { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin!.end(input);
  });
}

/** Of a command whose output goes to a pipe that nobody has open for reading. */
async function unread(words: readonly string[]): Promise<Omit<Outcome, 'stdout'>> {
  const env = {
    ...ENVIRONMENT,
    SLUICE_DATA_DIR: join(scratch, 'data'),
    NODE_COMPILE_CACHE: join(scratch, 'cache'),
  };
  const child = spawn(process.execPath, [...MAIN, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [status] = await once(child, 'close');
  return { status, stderr };
}

/** Of a command that has to succeed. */
async function output(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await sluice(words);
  assert.equal(status, 0, `sluice ${words.join(' ')}: ${stderr}`);
  return stdout;
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-admin-'));
  const flags = ['--data-dir', join(scratch, 'data'), '--amqp-port', '0', '--kafka-port', 'off'];
  broker = spawn(LAUNCHER, ['start', ...flags], { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(broker.stdout!), 'line');
  port = Number(/amqp=127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
});
after(async () => {
  broker.kill('SIGKILL');
  await once(broker, 'close');
  await rm(scratch, { recursive: true });
});

describe('the commands of administrators', { skip: process.platform === 'win32' }, () => {
  it('manage queues, exchanges and bindings, and list them in aligned columns', async () => {
    await Promise.all([
      output('queues', 'add', 'orders', '--arguments', '{"x-note": 1}'),
      output('exchanges', 'add', 'shop', '--type', 'topic'),
    ]);
    await output('bindings', 'add', 'shop', 'orders', '--key', 'order.#');
    assert.equal(
      await output('queues', 'list', '--columns', 'name,messages_ready,ledger.routed'),
      'NAME    MESSAGES_READY  LEDGER.ROUTED\norders               0              0\n',
    );
    const listed = JSON.parse(await output('bindings', 'list', '--source', 'shop', '--json'));
    assert.deepEqual([listed[0].destination, listed[0].routing_key], ['orders', 'order.#']);
    await output('bindings', 'delete', 'shop', 'orders', '--key', 'order.#');
    await output('exchanges', 'delete', 'shop', '--if-unused');
    assert.match(await output('queues', 'show', 'orders'), /^arguments +\{"x-note":1\}$/m);
    await output('queues', 'delete', 'orders', '--if-empty');
    assert.deepEqual(JSON.parse(await output('queues', 'list', '--json')), []);
  });

  it('end without a word when nobody reads on, as head does not: all that print, and each in its own time', async () => {
    const commands = [
      ['queues', 'list'],
      ['queues', 'list', '--json'],
      ['exchanges', 'list'],
      ['users', 'list'],
      ['overview'],
      ['config'],
      ['trace', 'status'],
    ];
    await Promise.all(
      commands.map(async (words) => {
        const { stderr, status } = await unread(words);
        assert.doesNotMatch(stderr, /EPIPE|^ +at /m, words.join(' '));
        assert.equal(status, 141, words.join(' '));
      }),
    );
    // It prints when something happens: nothing else would end it.
    const follows = unread(['events']);
    const stop = new AbortController();
    const declare = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await output('queues', 'add', 'event');
        await output('queues', 'delete', 'event');
      }
    };
    const [{ status }] = await Promise.all([follows.finally(() => stop.abort()), declare()]);
    assert.equal(status, 141);
  });

  it('show how far groups have read, and say where they are to read on', async () => {
    const connection = await connect(`amqp://127.0.0.1:${port}`);
    const channel = await connection.createChannel();
    await channel.assertQueue('log', { arguments: { 'x-queue-type': 'stream' } });
    assert.equal(
      await output('groups', 'reset-offsets', 'readers', '--stream', 'log', '--to', 'earliest'),
      'STREAM  PARTITION  PREVIOUS_OFFSET  OFFSET\nlog             0  -                     0\n',
    );
    assert.equal(
      await output('groups', 'list'),
      'VHOST  NAME     TYPE     STATE  MEMBERS  LAG\n/      readers  classic  Empty        0    0\n',
    );
    const [offset] = JSON.parse(await output('groups', 'offsets', 'readers', '--json'));
    assert.deepEqual([offset.stream, offset.offset, offset.end_offset], ['log', 0, 0]);
    assert.match(await output('groups', 'describe', 'readers'), /^type +classic$/m);
    await output('groups', 'delete', 'readers', '--force');
    await channel.deleteQueue('log');
    await connection.close();
    const { status, stderr } = await sluice(['groups', 'describe', 'readers']);
    assert.deepEqual([status, stderr], [1, "sluice: no group 'readers' in vhost '/'\n"]);
  });

  it('make streams, describe and delete them', async () => {
    await output(
      'streams',
      'create',
      'clicks',
      '--partitions',
      '2',
      '--set',
      'retention.ms=1000, segment.bytes=1048576',
    );
    assert.equal(
      await output('streams', 'list'),
      'VHOST  NAME    PARTITION_COUNT  MESSAGES  CONSUMERS  BINDINGS  EXCHANGE_TYPE\n' +
        '/      clicks                2         0          0         0  x-stream\n',
    );
    const described = JSON.parse(await output('streams', 'describe', 'clicks', '--json'));
    assert.deepEqual(described.configs, { 'retention.ms': '1000', 'segment.bytes': '1048576' });
    assert.equal(described.partitions[1].high_watermark, 0);
    const again = await sluice(['streams', 'create', 'clicks']);
    assert.deepEqual([again.status, again.stderr], [1, "sluice: there is a stream 'clicks' already\n"]);
    const wrong = await sluice(['streams', 'create', 'other', '--partitions', 'many']);
    assert.deepEqual(
      [wrong.status, wrong.stderr.split('\n')[0]],
      [2, "sluice: --partitions: 'many' is no number of partitions"],
    );
    await output('streams', 'delete', 'clicks');
    assert.deepEqual(JSON.parse(await output('streams', 'list', '--json')), []);
  });

  it('manage users: a password from standard input lets the user in, and another one does not', async () => {
    const added = await sluice(['users', 'add', 'alice', '--tags', 'ops', '--password-stdin'], 'one\n');
    assert.equal(added.status, 0, added.stderr);
    // A backtracking matcher would take for ever with it, and be refused: the launcher has to start the broker with another.
    await output('permissions', 'set', 'alice', '--configure', '^(a+)+$', '--write', '', '--read', '');
    await output('permissions', 'set', 'alice', '--configure', '^a', '--write', '.*', '--read', '');
    assert.match(await output('permissions', 'list', '--user', 'alice'), /^alice +\/ +\^a +\.\* +''$/m);
    const connection = await connect(`amqp://alice:one@127.0.0.1:${port}`);
    connection.on('error', () => undefined);
    assert.equal((await sluice(['users', 'set', 'alice', '--password-stdin'], 'two\n')).status, 0);
    await assert.rejects(connect(`amqp://alice:one@127.0.0.1:${port}`));
    const closed = once(connection, 'close');
    await output('users', 'delete', 'alice', '--force');
    await closed;
    assert.doesNotMatch(await output('users', 'list'), /alice/);
  });

  it('allow and deny Kafka clients something, and say how much they may do', async () => {
    await output('acls', 'add', 'bob', '--operations', 'read, describe', '--topic', 'app-', '--prefixed');
    await output('acls', 'add', '*', '--operations', 'write', '--cluster', '--deny', '--from', '10.0.0.1')
      .then(() => assert.fail('nobody writes to a cluster'))
      .catch((error) => assert.match(String(error), /'write' cannot be done to a cluster/));
    await output('acls', 'add', '*', '--operations', 'alter', '--cluster', '--deny');
    assert.match(await output('acls', 'list'), /^\/ +User:bob +allow +read +topic +app- +prefixed +\*$/m);
    assert.doesNotMatch(await output('acls', 'list', '--user', 'bob'), /cluster/);
    await output('acls', 'delete', 'bob');
    assert.equal((await sluice(['acls', 'delete', 'bob'])).status, 1);
    assert.equal((await sluice(['acls', 'add', 'bob', '--operations', 'read'])).status, 2);
    await output('quotas', 'set', 'producer_byte_rate', '1000', '--user', 'bob');
    await output('quotas', 'set', 'request_percentage', '50', '--client-id', '');
    assert.match(await output('quotas', 'list'), /^bob +- +- +producer_byte_rate +1000$/m);
    assert.match(await output('quotas', 'list'), /<others> +- +request_percentage +50$/m);
    await output('quotas', 'delete', '--user', 'bob');
    assert.doesNotMatch(await output('quotas', 'list'), /bob/);
    assert.equal((await sluice(['quotas', 'set', 'nonsense', '1', '--user', 'bob'])).status, 1);
    assert.equal((await sluice(['quotas', 'set', 'request_percentage', '1'])).status, 2);
  });

  it('show and close connections', async () => {
    const connection = await connect(`amqp://127.0.0.1:${port}`);
    connection.on('error', () => undefined);
    await (await connection.createChannel()).consume(
      (await (await connection.createChannel()).assertQueue('', { autoDelete: true })).queue,
      () => undefined,
    );
    const [{ id }] = JSON.parse(await output('connections', 'list', '--json'));
    const [channels, consumers, shown] = await Promise.all([
      output('channels', 'list', '--json'),
      output('consumers', 'list'),
      output('connections', 'show', String(id)),
    ]);
    assert.equal(JSON.parse(channels).length, 2);
    assert.match(consumers, /amq\.gen-/);
    assert.match(shown, /^client_properties\b.*amqplib/m);
    const closed = once(connection, 'close');
    assert.equal(await output('connections', 'close', String(id), '--reason', 'lunch'), '1\n');
    assert.match(String((await closed)[0]), /CONNECTION_FORCED - lunch/);
  });

  it('take nothing away without being told to: they ask on a terminal, and say elsewhere what would go', async (t) => {
    const connection = await connect(`amqp://127.0.0.1:${port}`);
    t.after(() => connection.close().catch(() => undefined));
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('full');
    await channel.assertQueue('tape', { arguments: { 'x-queue-type': 'stream' } });
    for (const queue of ['full', 'full', 'full', 'tape']) channel.sendToQueue(queue, Buffer.from('m'));
    await channel.waitForConfirms();
    await channel.prefetch(1);
    await channel.consume('full', () => undefined);
    await output('vhosts', 'add', 'shop');
    await output('queues', 'add', 'q', '--vhost', 'shop');
    await output('exchanges', 'add', 'x', '--type', 'fanout');
    await output('bindings', 'add', 'x', 'full');
    await output('groups', 'reset-offsets', 'far', '--stream', 'tape', '--to', 'latest');
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['queues', 'delete', 'full'], /takes away 3 messages and 1 consumer; give --force .*--if-empty/],
      [['queues', 'delete', 'tape'], /takes away 1 message; give --force/],
      [['streams', 'delete', 'tape'], /takes away 1 record; give --force/],
      [['exchanges', 'delete', 'tape'], /takes away 1 record of the stream; give --force/],
      [['exchanges', 'delete', 'x'], /takes away 1 binding; give --force/],
      [['vhosts', 'delete', 'shop'], /takes away 1 queue; give --force/],
      [
        ['users', 'delete', 'guest'],
        /takes away its password, 1 virtual host .* and 1 open connection; give --force/,
      ],
      [['groups', 'delete', 'far'], /takes away 1 committed offset; give --force/],
    ];
    for (const [words, message] of refusals) {
      const { status, stderr } = await sluice(words);
      assert.equal(status, 1, words.join(' '));
      assert.match(stderr, message, words.join(' '));
    }
    assert.equal((await sluice(['queues', 'delete', 'full', '--if-empty'])).status, 1);
    await connection.close();
    const purging = await sluice(['queues', 'purge', 'full']);
    assert.match(purging.stderr, /to purge queue 'full' in vhost '\/' takes away 3 messages; give --force/);
    assert.equal(await output('queues', 'purge', 'full', '--force'), '3\n');
    await output('queues', 'delete', 'full');
    for (const [words] of refusals.slice(2, 3)) await output(...words, '--force');
    for (const [words] of refusals.slice(5, 6)) await output(...words, '--force');
    await output('exchanges', 'delete', 'x');
  });

  it('say so where they change nothing, or nothing yet', async () => {
    await output('queues', 'add', 'there');
    await output('exchanges', 'add', 'out', '--type', 'direct');
    await output('bindings', 'add', 'out', 'there');
    await output('streams', 'create', 'tape');
    const policy = (definition: string) => ['--apply-to', 'exchanges', '--definition', definition];
    const notes: readonly (readonly [readonly string[], RegExp])[] = [
      [['queues', 'add', 'there'], /queue 'there' is there already .*nothing was changed/],
      [['exchanges', 'add', 'out', '--type', 'direct'], /exchange 'out' is there already/],
      [['bindings', 'add', 'out', 'there'], /bound to exchange 'out' so already/],
      [['vhosts', 'add', '/'], /virtual host '\/' is there already/],
      [['trace', 'off'], /not copied already/],
      [
        ['quotas', 'set', 'producer_byte_rate', '10', '--user', 'gust'],
        /no user 'gust' \(did you mean 'guest'\?\)/,
      ],
      [['acls', 'add', 'nobody', '--operations', 'read', '--topic', 't'], /no user 'nobody'/],
      [['acls', 'list', '--user', 'somebody'], /no user 'somebody'/],
      [['bindings', 'list', '--source', 'nothing'], /no exchange 'nothing'/],
      [['policies', 'set', 'none', '^nothing$', '--definition', '{"max-length": 1}'], /holds for nothing/],
      [['policies', 'set', 'keep', '^tape$', ...policy('{"remember": true}')], /'tape' is a stream already/],
      [
        ['groups', 'reset-offsets', 'new', '--stream', 'tape', '--to', 'latest', '--dry-run'],
        /would be made/,
      ],
      [
        ['groups', 'reset-offsets', 'new', '--stream', 'tape', '--to', 'latest'],
        /it is made, with these offsets/,
      ],
      [['users', 'set', 'guest', '--tags', 'administrator,admin'], /the tag 'admin' allows nothing/],
      [
        ['users', 'set', 'guest', '--tags', 'administrator,policymaker'],
        /the tag 'policymaker' allows nothing/,
      ],
      [
        ['topic-permissions', 'set', 'guest', '--exchange', 'out', '--write', '', '--read', ''],
        /of type direct/,
      ],
      [
        ['topic-permissions', 'set', 'guest', '--exchange', 'far', '--write', '', '--read', ''],
        /no exchange 'far'/,
      ],
      [['connections', 'close', '--user', 'nobody'], /nothing was closed/],
    ];
    for (const [words, message] of notes) {
      const { status, stderr } = await sluice(words);
      assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
      assert.match(stderr, new RegExp(`^sluice: note: .*${message.source}`), words.join(' '));
    }
    await output('policies', 'delete', 'keep');
    const missing: readonly (readonly [readonly string[], RegExp])[] = [
      [['queues', 'delete', 'nope'], /no queue 'nope'/],
      [['exchanges', 'delete', 'nope'], /no exchange 'nope'/],
      [['bindings', 'delete', 'out', 'there', '--key', 'k'], /no binding/],
      [['streams', 'delete', 'nope'], /no stream 'nope'/],
      [['groups', 'delete', 'nope'], /no group 'nope'/],
      [['groups', 'describe', 'nope'], /no group 'nope'/],
      [['groups', 'offsets', 'nope'], /no group 'nope'/],
      [['users', 'delete', 'nope'], /no user 'nope'/],
      [['vhosts', 'delete', 'nope'], /no vhost 'nope'/],
      [['permissions', 'list', '--vhost', 'nope'], /no vhost 'nope'/],
      [['permissions', 'delete', 'guest', '--vhost', 'nope'], /no vhost 'nope'/],
      [['topic-permissions', 'delete', 'guest', '--exchange', 'amq.topic'], /no topic permissions/],
      [
        ['limits', 'delete', 'max-queues', '--vhost', '/'],
        /vhost '\/' has no limit 'max-queues'; it has none/,
      ],
      [['limits', 'delete', 'max-channels', '--user', 'guest'], /user 'guest' has no limit/],
      [['policies', 'delete', 'nope'], /no policy 'nope'|policy 'nope'/],
      [['quotas', 'delete', 'producer_byte_rate', '--user', 'guest'], /no such quota/],
      [['acls', 'delete', 'guest'], /nothing of this kind/],
      [['connections', 'close', 'nope'], /no connection 'nope'/],
      [['trace', 'on', '--vhost', 'nope'], /no vhost 'nope'/],
      [['queues', 'purge', 'tape'], /'tape' is a stream, which cannot be purged|no queue 'tape'/],
      [['queues', 'list', '--columns', 'nmae'], /no field 'nmae' \(did you mean 'name'\?\)/],
    ];
    for (const [words, message] of missing) {
      const { status, stderr } = await sluice(words);
      assert.notEqual(status, 0, words.join(' '));
      assert.match(stderr, message, words.join(' '));
    }
    await output('streams', 'delete', 'tape');
    await output('exchanges', 'delete', 'out', '--force');
    await output('queues', 'delete', 'there');
  });

  it('print events as they happen', async () => {
    const follower = spawn(LAUNCHER, ['events', 'vhost.*', '--data-dir', join(scratch, 'data')], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface(follower.stdout!);
    const seen = once(lines, 'line');
    // The follower says nothing before there is something to say.
    let line: unknown;
    void seen.then(([first]) => {
      line = first;
    });
    for (let i = 0; line === undefined; i++) await output('vhosts', 'add', `v${i}`);
    assert.match(
      String(line),
      /^\d{4}-.*Z {2}vhost\.created {2}name=v\d+ user_who_performed_action=sluice-cli$/,
    );
    follower.kill('SIGINT');
    await once(follower, 'close');
  });

  it('set policies that take effect', async () => {
    await output('queues', 'add', 'logs.a');
    await output(
      'policies',
      'set',
      'short',
      '^logs',
      '--apply-to',
      'queues',
      '--definition',
      '{"max-length": 2}',
    );
    assert.match(await output('policies', 'list'), /^\/ +short +\^logs +queues +\{"max-length":2\} +0$/m);
    assert.equal(
      await output('queues', 'list', '--columns', 'name,policy,effective_policy_definition'),
      'NAME    POLICY  EFFECTIVE_POLICY_DEFINITION\nlogs.a  short   {"max-length":2}\n',
    );
  });

  it('turn the firehose on and off, and set limits', async () => {
    await output('trace', 'on');
    assert.equal(await output('trace', 'status'), 'on\n');
    await output('trace', 'off');
    assert.equal(await output('trace', 'status'), 'off\n');
    await output('limits', 'set', '--user', 'guest', 'max-channels', '5');
    assert.match(await output('limits', 'list'), /guest +max-channels +5$/m);
    assert.match(await output('limits', 'use', '--user', 'guest'), /^channels +\d+ +5$/m);
    await output('limits', 'delete', '--user', 'guest', 'max-channels');
  });

  it('end with 1 for what the broker refuses and 2 for wrong usage, and say what is wrong in one line', async () => {
    const mistakes: readonly (readonly [string, readonly string[], number, RegExp])[] = [
      ['a thing that is not there', ['queues', 'purge', 'q'], 1, /^sluice: no queue 'q' in vhost '\/'\n$/],
      [
        'a directory without a broker',
        ['queues', 'list', '--data-dir', '/nowhere'],
        1,
        /^sluice: no broker runs on the data directory '\/nowhere'; start one with `sluice start`, or .*--data-dir\n$/,
      ],
      ['a word that is unknown', ['queues', 'lst'], 2, /unknown command 'lst'[\s\S]*list/],
      ['a missing name', ['queues', 'add'], 2, /missing required argument 'name'/],
      [
        'a flag that is no JSON',
        ['queues', 'add', 'q', '--arguments', '{'],
        2,
        /--arguments: '\{' is not JSON/,
      ],
      ['no terminal for a password', ['users', 'add', 'x'], 2, /no terminal.*--password-stdin/],
      ['a limit of nobody', ['limits', 'set', 'max-queues', '1'], 2, /give --vhost or --user/],
    ];
    await Promise.all(
      mistakes.map(async ([mistake, words, expected, message]) => {
        const { status, stdout, stderr } = await sluice(words);
        assert.deepEqual({ status, stdout }, { status: expected, stdout: '' }, `${mistake}: ${stderr}`);
        assert.match(stderr, message);
      }),
    );
  });

  it('say what they do to those who ask', async () => {
    const [command, all] = await Promise.all([output('policies', 'set', '--help'), output('--help')]);
    assert.match(command, /--definition <JSON>[\s\S]*--apply-to/);
    assert.match(all, /queues +queues: list, show, add, delete, purge/);
  });
});
