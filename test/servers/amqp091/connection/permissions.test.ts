import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { PROTOCOL_HEADER } from '../../../../src/wire/amqp091/constants.ts';
import { until } from '../../../support/until.ts';
import { outcome, PERMISSION_CASES } from '../permission-cases.ts';
import { methodBytes, startOk } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };

async function connectAs(
  test: TestServer,
  user: string,
  vhost = '%2F',
): Promise<ChannelModel & { closed: string }> {
  const url = `amqp://${user}:secret@127.0.0.1:${test.server.port}/${vhost}`;
  const connection = Object.assign(await connect(url), { closed: '' });
  connection.on('error', () => undefined);
  connection.on('close', (error?: Error) => {
    connection.closed = error?.message ?? 'by us';
  });
  return connection;
}

async function refusalOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'it was done';
}

/** What connection.close says to somebody with the right password. */
async function openingRefused(test: TestServer, user: string, virtualHost = '/'): Promise<string> {
  using client = await test.raw();
  client.write(PROTOCOL_HEADER);
  await client.expect('connection.start');
  client.method(0, startOk(user, 'secret'));
  const { channelMax, frameMax } = await client.expect('connection.tune');
  client.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat: 0 });
  client.method(0, { name: 'connection.open', virtualHost });
  return (await client.expect('connection.close')).replyText;
}

describe('permissions', () => {
  let test: TestServer;
  let adminConnection: ChannelModel;
  let admin: Channel;
  let ada: ChannelModel;

  before(async () => {
    test = await TestServer.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret');
    await administration.setPermissions('ada', '/', ALL);
    adminConnection = await test.connect();
    admin = await adminConnection.createChannel();
    ada = await connectAs(test, 'ada');
  });
  after(async () => {
    await ada.close();
    await adminConnection.close();
    await test[Symbol.asyncDispose]();
  });

  for (const each of PERMISSION_CASES) {
    it(`${each.what}${each.refusal === null ? ' is done' : ''}`, async () => {
      for (const name of ['new', 'q']) await admin.deleteQueue(name);
      await admin.deleteExchange('new');
      await admin.assertQueue('q');
      for (const name of ['direct', 'direct2']) await admin.assertExchange(name, 'direct');
      await admin.assertExchange('topic', 'topic');
      const { administration } = test.broker.access;
      const { configure = '', write = '', read = '', topic } = each;
      await administration.setPermissions('ada', '/', { configure, write, read });
      await administration.clearTopicPermissions('ada', '/');
      if (topic !== undefined) await administration.setTopicPermissions('ada', '/', 'topic', topic);
      const channel = await ada.createChannel();
      assert.equal(await outcome(channel, each), each.refusal);
      if (each.refusal === null) await channel.close();
    });
  }

  it('taken away count for the very next message, on a route that was used before', async () => {
    const { administration } = test.broker.access;
    await administration.setPermissions('ada', '/', ALL);
    await admin.assertQueue('live');
    const channel = await ada.createConfirmChannel();
    let refusal = '';
    channel.on('error', (error: Error) => {
      refusal = error.message;
    });
    channel.sendToQueue('live', Buffer.from('1'));
    await channel.waitForConfirms();
    await administration.setPermissions('ada', '/', { ...ALL, write: '^live$' });
    channel.sendToQueue('live', Buffer.from('2'));
    await until(() => refusal !== '');
    assert.match(refusal, /access to exchange 'amq.default' in vhost '\/' refused for user 'ada'/);
    assert.equal((await admin.checkQueue('live')).messageCount, 1);
  });

  it('let who has the tag impersonator write the names of others into messages, and nobody else', async () => {
    const { administration } = test.broker.access;
    await administration.setPermissions('ada', '/', ALL);
    const channel = await ada.createConfirmChannel();
    await administration.setTags('ada', ['impersonator']);
    channel.publish('', 'nowhere', Buffer.from('x'), { userId: 'bob' });
    await channel.waitForConfirms();
    await administration.setTags('ada', []);
    const closed = new Promise<Error>((resolve) => channel.on('error', resolve));
    channel.publish('', 'nowhere', Buffer.from('x'), { userId: 'bob' });
    assert.match((await closed).message, /user_id property set to 'bob' but authenticated user was 'ada'/);
  });
});

describe('users and virtual hosts', () => {
  it('that are deleted take their connections with them', async () => {
    await using test = await TestServer.start();
    const { administration } = test.broker.access;
    await administration.createVhost('shop');
    for (const user of ['ada', 'bob']) {
      await administration.addUser(user, 'secret');
      await administration.setPermissions(user, 'shop', ALL);
    }
    const [ada, bob] = [await connectAs(test, 'ada', 'shop'), await connectAs(test, 'bob', 'shop')];
    await (await ada.createChannel()).assertQueue('hers', { exclusive: true });
    await administration.deleteUser('ada');
    await until(() => ada.closed !== '');
    assert.match(ada.closed, /CONNECTION_FORCED - user 'ada' is deleted/);
    assert.equal(test.broker.vhosts.get('shop')?.findQueue('hers'), undefined);
    assert.equal(bob.closed, '');
    await administration.deleteVhost('shop');
    await until(() => bob.closed !== '');
    assert.match(bob.closed, /CONNECTION_FORCED - vhost 'shop' is deleted/);
    assert.equal(await openingRefused(test, 'bob', 'shop'), 'NOT_ALLOWED - vhost shop not found');
    await until(() => test.broker.access.clients.inVhost('shop').size === 0);
  });

  it('have limits, which count what is there and let go of what has gone', async () => {
    await using test = await TestServer.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret');
    assert.equal(
      await openingRefused(test, 'ada'),
      "NOT_ALLOWED - access to vhost '/' refused for user 'ada'",
    );
    await administration.setPermissions('ada', '/', ALL);
    await administration.setUserLimits('ada', { 'max-connections': 1, 'max-channels': 2 });
    await administration.setVhostLimits('/', { 'max-queues': 1 });
    const first = await connectAs(test, 'ada');
    assert.equal(
      await openingRefused(test, 'ada'),
      "NOT_ALLOWED - connection refused for user 'ada': user connection limit (1) is reached",
    );
    const channel = await first.createChannel();
    channel.on('error', () => undefined);
    await (await first.createChannel()).close();
    await channel.assertQueue('one');
    await channel.assertQueue('one');
    assert.match(
      await refusalOf(channel.assertQueue('two')),
      /PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '\/' \(1\) is reached/,
    );
    await first.createChannel();
    await first.createChannel();
    void first.createChannel().catch(() => undefined);
    await until(() => first.closed !== '');
    assert.match(
      first.closed,
      /number of channels opened for user 'ada' has reached the maximum allowed user limit of \(2\)/,
    );
    await until(() => test.server.connectionCount === 0);
    await (await connectAs(test, 'ada')).close();
  });

  it('are let go of when the client goes while its password is checked', async () => {
    await using test = await TestServer.start();
    const { administration, clients } = test.broker.access;
    await administration.addUser('ada', 'secret');
    await administration.setPermissions('ada', '/', ALL);
    const gone = Array.from({ length: 5 }, async () => {
      const client = await test.raw();
      client.write(
        Buffer.concat([
          PROTOCOL_HEADER,
          methodBytes(0, startOk('ada', 'secret')),
          methodBytes(0, { name: 'connection.tune-ok', channelMax: 1, frameMax: 4096, heartbeat: 0 }),
          methodBytes(0, { name: 'connection.open', virtualHost: '/' }),
        ]),
      );
      await client.expect('connection.start');
      client.socket.resetAndDestroy();
    });
    await Promise.all(gone);
    // Behind the others, as it needs another answer.
    assert.match(
      await refusalOf(connect(`amqp://ada:guess@127.0.0.1:${test.server.port}`)),
      /ACCESS_REFUSED/,
    );
    assert.equal(test.server.connectionCount, 0);
    assert.equal(clients.inVhost('/').size, 0);
  });

  it('let in with the newest password, and keep no connection waiting for the others that guess', async () => {
    await using test = await TestServer.start({ refusedLoginDelayMs: 1 });
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'secret');
    await administration.setPermissions('ada', '/', ALL);
    await (await connectAs(test, 'ada')).close();
    const { port } = test.server;
    let refused = 0;
    const guesses = Array.from({ length: 16 }, (_, i) =>
      refusalOf(connect(`amqp://ada:guess${i}@127.0.0.1:${port}`)).finally(() => refused++),
    );
    await (await connectAs(test, 'ada')).close();
    assert.ok(refused < 8, `${refused} guesses came first`);
    for (const guess of await Promise.all(guesses)) assert.match(guess, /ACCESS_REFUSED/);
    await administration.changePassword('ada', 'other');
    assert.match(await refusalOf(connectAs(test, 'ada')), /ACCESS_REFUSED/);
  });
});
