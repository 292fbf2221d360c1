import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ScramMechanism } from '../../../src/broker/access/scram.ts';
import type { BrokerOptions } from '../../../src/broker/broker.ts';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { FrameReader } from '../../../src/wire/kafka/frame-reader.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { saslAuthenticate, saslHandshake } from '../../../src/wire/kafka/messages/sasl.ts';
import { DrivenTime } from '../../support/driven-time.ts';
import { until } from '../../support/until.ts';
import { answer } from '../sasl/scram-client.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };
const QUICK: Partial<KafkaServerOptions> = { refusedLoginDelayMs: 20, closeTimeoutMs: 500 };

async function serverWithAda(
  options: Partial<KafkaServerOptions> = {},
  brokerOptions: Partial<BrokerOptions> = {},
): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start({ ...QUICK, anonymousUser: null, ...options }, brokerOptions);
  const { administration } = test.broker.access;
  await administration.addUser('ada', 'secret');
  await administration.setPermissions('ada', '/', ALL);
  return test;
}

interface Outcome {
  readonly error: string | undefined;
  readonly text: string | null;
  readonly lifetimeMs: number;
}

async function plain(client: KafkaClient, user: string, password: string): Promise<Outcome> {
  const { errorCode } = await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
  assert.equal(errorName(errorCode), 'NONE');
  const authBytes = Buffer.from(`\0${user}\0${password}`);
  return outcomeOf(await client.request(saslAuthenticate, 2, { authBytes }));
}

async function scram(
  client: KafkaClient,
  mechanism: ScramMechanism,
  user: string,
  password: string,
): Promise<Outcome> {
  const { errorCode } = await client.request(saslHandshake, 1, { mechanism });
  assert.equal(errorName(errorCode), 'NONE');
  const first = `n,,n=${user},r=fyko+d2lbbFgONRv9qkxdawL`;
  const begun = await client.request(saslAuthenticate, 2, { authBytes: Buffer.from(first) });
  assert.equal(errorName(begun.errorCode), 'NONE', begun.errorMessage ?? '');
  const { final, signature } = answer(mechanism, password, first, begun.authBytes.toString());
  const finished = await client.request(saslAuthenticate, 2, { authBytes: Buffer.from(final) });
  if (finished.errorCode === 0) assert.equal(finished.authBytes.toString(), signature);
  return outcomeOf(finished);
}

function outcomeOf(response: {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly sessionLifetimeMs: number;
}): Outcome {
  const { errorCode, errorMessage: text, sessionLifetimeMs: lifetimeMs } = response;
  return { error: errorName(errorCode), text, lifetimeMs };
}

/** Any request that is not for everybody. */
async function isServed(client: KafkaClient): Promise<boolean> {
  try {
    await client.request(listOffsets, 1, { replicaId: -1, topics: [] });
    return true;
  } catch {
    return false;
  }
}

describe('a Kafka client', () => {
  it('logs in by PLAIN and by SCRAM', async () => {
    await using test = await serverWithAda();
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      using client = await test.connect();
      await client.request(apiVersions, 0, {});
      const { error, lifetimeMs } =
        mechanism === 'PLAIN'
          ? await plain(client, 'ada', 'secret')
          : await scram(client, mechanism, 'ada', 'secret');
      assert.equal(error, 'NONE');
      assert.equal(lifetimeMs, 0);
      assert.ok(await isServed(client));
      const [session] = test.broker.connections;
      assert.equal(session?.user, 'ada');
      assert.equal(session?.describe().authMechanism, mechanism);
      client.socket.destroy();
      await until(() => test.server.connectionCount === 0);
    }
  });

  it('is told that authentication failed, after a delay, and the connection is closed', async () => {
    await using test = await serverWithAda({ refusedLoginDelayMs: 100 });
    for (const [mechanism, user, password] of [
      ['PLAIN', 'ada', 'wrong'],
      ['PLAIN', 'nobody', 'secret'],
      ['SCRAM-SHA-256', 'ada', 'wrong'],
      ['SCRAM-SHA-512', 'nobody', 'secret'],
    ] as const) {
      using client = await test.connect();
      const startMs = performance.now();
      const { error, text } =
        mechanism === 'PLAIN'
          ? await plain(client, user, password)
          : await scram(client, mechanism, user, password);
      assert.equal(error, 'SASL_AUTHENTICATION_FAILED');
      assert.match(String(text), /^Authentication failed/);
      assert.ok(performance.now() - startMs >= 99);
      await client.closed();
    }
  });

  it('that is not authenticated is served nothing, and not for long', async () => {
    await using test = await serverWithAda({ handshakeTimeoutMs: 500 });
    using stranger = await test.connect();
    assert.ok(!(await isServed(stranger)));
    await stranger.closed();
    using halfway = await test.connect();
    await halfway.request(saslHandshake, 1, { mechanism: 'PLAIN' });
    assert.ok(!(await isServed(halfway)));
    using silent = await test.connect();
    await silent.request(apiVersions, 0, {});
    await silent.closed();
  });

  it('is told which mechanisms there are, if it wants another one', async () => {
    await using test = await serverWithAda();
    using client = await test.connect();
    const { errorCode, mechanisms } = await client.request(saslHandshake, 1, { mechanism: 'GSSAPI' });
    assert.equal(errorName(errorCode), 'UNSUPPORTED_SASL_MECHANISM');
    assert.deepEqual(mechanisms, ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']);
    await client.closed();
  });

  it('that is old sends its tokens as bare frames, after SaslHandshake 0 (KIP-152)', async () => {
    await using test = await serverWithAda();
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256'] as const) {
      for (const password of ['secret', 'wrong']) {
        using client = await test.connect();
        await client.request(saslHandshake, 0, { mechanism });
        const tokens = bareFrames(client);
        let refused = false;
        if (mechanism === 'PLAIN') {
          const given = await tokens.exchange(Buffer.from(`\0ada\0${password}`));
          refused = given === null;
          if (!refused) assert.equal(given?.length, 0);
        } else {
          const first = 'n,,n=ada,r=abc';
          const begun = await tokens.exchange(Buffer.from(first));
          const { final, signature } = answer(mechanism, password, first, String(begun));
          const finished = await tokens.exchange(Buffer.from(final));
          refused = finished === null;
          if (!refused) assert.equal(String(finished), signature);
        }
        assert.equal(refused, password === 'wrong');
        tokens.stop();
        if (refused) await client.closed();
        else assert.ok(await isServed(client));
      }
    }
  });

  it('from this machine need not log in: it is guest, as long as there is one', async () => {
    await using test = await KafkaTestServer.start(QUICK);
    using client = await test.connect();
    assert.ok(await isServed(client));
    const [session] = test.broker.connections;
    assert.deepEqual([session?.user, session?.describe().authMechanism], ['guest', 'ANONYMOUS']);
    // Who says who it is, is that one.
    using guest = await test.connect();
    assert.equal((await scram(guest, 'SCRAM-SHA-512', 'guest', 'guest')).error, 'NONE');
    await test.broker.access.administration.deleteUser('guest');
    await client.closed();
    await guest.closed();
    using late = await test.connect();
    assert.ok(!(await isServed(late)));
  });

  it('is in the virtual host that its user name says, or is told that it may not be', async () => {
    await using test = await serverWithAda();
    const { administration } = test.broker.access;
    await administration.createVhost('tenant');
    using refused = await test.connect();
    const { error, text } = await scram(refused, 'SCRAM-SHA-256', 'tenant:ada', 'secret');
    assert.equal(error, 'SASL_AUTHENTICATION_FAILED');
    assert.equal(text, "access to vhost 'tenant' refused for user 'ada'");
    await administration.setPermissions('ada', 'tenant', ALL);
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256'] as const) {
      using client = await test.connect();
      const outcome =
        mechanism === 'PLAIN'
          ? await plain(client, 'tenant:ada', 'secret')
          : await scram(client, mechanism, 'tenant:ada', 'secret');
      assert.equal(outcome.error, 'NONE');
      assert.deepEqual(
        Array.from(test.broker.connections, ({ vhost }) => vhost),
        ['tenant'],
      );
      client.socket.destroy();
      await until(() => test.server.connectionCount === 0);
    }
    using nowhere = await test.connect();
    assert.equal((await plain(nowhere, 'nowhere:ada', 'secret')).text, 'vhost nowhere not found');
    // A name with a colon in it is a name first.
    await administration.addUser('tenant:ada', 'other');
    await administration.setPermissions('tenant:ada', '/', ALL);
    using named = await test.connect();
    assert.equal((await plain(named, 'tenant:ada', 'other')).error, 'NONE');
    assert.deepEqual(
      Array.from(test.broker.connections, ({ vhost }) => vhost),
      ['/'],
    );
  });

  it('re-authenticates before its session expires, as the same user; or is served no more (KIP-368)', async () => {
    const time = new DrivenTime();
    await using test = await serverWithAda(
      { reauthenticationMs: 1500, refusedLoginDelayMs: 0 },
      { clock: time, scheduler: time },
    );
    await test.broker.access.administration.addUser('bob', 'secret');
    await test.broker.access.administration.setPermissions('bob', '/', ALL);
    const connect = async (): Promise<KafkaClient> => {
      const client = await test.connect();
      assert.equal((await plain(client, 'ada', 'secret')).lifetimeMs, 1500);
      return client;
    };
    using again = await connect();
    using other = await connect();
    using otherwise = await connect();
    using late = await connect();
    const { errorCode } = await again.request(saslHandshake, 1, { mechanism: 'PLAIN' });
    assert.equal(errorName(errorCode), 'ILLEGAL_SASL_STATE', 'too soon');
    assert.ok(await isServed(again));
    time.pass(1050);
    assert.equal((await plain(again, 'ada', 'secret')).error, 'NONE');
    const { text } = await plain(other, 'bob', 'secret');
    assert.match(
      String(text),
      /^Cannot change principals during re-authentication from User\.ada: User\.bob/,
    );
    await other.closed();
    assert.match(
      String((await scram(otherwise, 'SCRAM-SHA-256', 'ada', 'secret')).text),
      /not supported for re-authentication of mechanism 'PLAIN'/,
    );
    time.pass(700);
    assert.ok(await isServed(again));
    assert.ok(!(await isServed(late)));
    assert.deepEqual(
      Array.from(test.broker.connections, ({ user }) => user),
      ['ada'],
    );
  });

  it('whose password was set when there was no SCRAM is let in by PLAIN, and not by SCRAM', async () => {
    const logged: string[] = [];
    const log = {
      debug() {},
      info() {},
      warn: (...entry: unknown[]) => void logged.push(JSON.stringify(entry)),
      error() {},
    };
    await using test = await serverWithAda({ log });
    await test.broker.access.credentials.alter('ada', ['SCRAM-SHA-256', 'SCRAM-SHA-512'], [], '/');
    using one = await test.connect();
    assert.equal((await plain(one, 'ada', 'secret')).error, 'NONE');
    using other = await test.connect();
    const { error } = await scram(other, 'SCRAM-SHA-256', 'ada', 'secret');
    assert.equal(error, 'SASL_AUTHENTICATION_FAILED');
    assert.ok(logged.some((entry) => entry.includes('set it again') && entry.includes('"ada"')));
    assert.ok(!logged.some((entry) => entry.includes('secret')));
  });

  it('that sends garbage instead of tokens is refused, and harms nobody', async () => {
    await using test = await serverWithAda({ refusedLoginDelayMs: 0 });
    const mechanisms = fc.constantFrom('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512');
    const token = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .constantFrom('n,,n=ada,r=abc', '\0ada\0wrong', 'c=biws,r=abc,p=AAAA', '\0\0\0', 'n,,n=,r=')
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(
        mechanisms,
        fc.boolean(),
        fc.array(token, { minLength: 1, maxLength: 4 }),
        async (mechanism, isBare, list) => {
          using client = await test.connect();
          await client.request(saslHandshake, isBare ? 0 : 1, { mechanism });
          const tokens = isBare ? bareFrames(client) : null;
          for (const authBytes of list) {
            if (client.isClosed) break;
            if (tokens !== null) await tokens.exchange(authBytes);
            else await client.request(saslAuthenticate, 2, { authBytes }).catch(() => undefined);
          }
          tokens?.stop();
          client.socket.destroy();
        },
      ),
      { numRuns: 60 },
    );
    assert.equal(Array.from(test.broker.connections).length, 0);
    using client = await test.connect();
    assert.equal((await plain(client, 'ada', 'secret')).error, 'NONE');
  });

  it('that is not authenticated cannot have the broker hold a large frame', async () => {
    await using test = await serverWithAda();
    using client = await test.connect();
    const frame = Buffer.alloc(2 ** 20);
    // As long as it may be for others.
    frame.writeInt32BE(50 * 2 ** 20);
    client.socket.write(frame);
    await client.closed();
    assert.ok(client.socket.bytesWritten <= 2 ** 20);
  });

  it('that sends a request while its token is checked is not served, but disconnected', async () => {
    await using test = await serverWithAda();
    using client = await test.connect();
    await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from('\0ada\0secret');
    // All at once: the second request comes while the password is checked.
    const answers = [client.request(saslAuthenticate, 2, { authBytes }), isServed(client)];
    const [first, second] = await Promise.allSettled(answers);
    assert.equal(first?.status, 'rejected');
    assert.equal(second?.status === 'fulfilled' && second.value, false);
  });
});

/** The frames of a connection that are no responses. Takes the place of the client's reader until it is stopped. */
function bareFrames(client: KafkaClient): {
  exchange(token: Uint8Array): Promise<Buffer | null>;
  stop(): void;
} {
  const { socket } = client;
  const listeners = socket.listeners('data') as ((chunk: Buffer) => void)[];
  socket.removeAllListeners('data');
  const received: Buffer[] = [];
  const reader = new FrameReader(100_000);
  const onData = (chunk: Buffer): void => {
    reader.push(chunk, (bytes, start, end) => received.push(bytes.subarray(start, end)));
    socket.emit('token');
  };
  socket.on('data', onData);
  return {
    async exchange(token) {
      const length = Buffer.alloc(4);
      length.writeInt32BE(token.length);
      socket.write(Buffer.concat([length, token]));
      while (received.length === 0) {
        if (client.isClosed) return null;
        await Promise.race([once(socket, 'token'), once(socket, 'close')]);
      }
      return received.shift() as Buffer;
    },
    stop() {
      socket.off('data', onData);
      for (const listener of listeners) socket.on('data', listener);
    },
  };
}
