import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { anonymousUserOf, exposuresOf, isLocalHost } from '../../../src/cli/broker-process/exposure.ts';
import { resolveConfiguration } from '../../../src/cli/config/configuration.ts';
import type { Configuration } from '../../../src/cli/config/settings.ts';
import { TestBroker } from '../../broker/test-broker.ts';

function configured(flags: { readonly [key: string]: string } = {}): Configuration {
  return resolveConfiguration({ flags: new Map(Object.entries(flags)), environment: {} }).values;
}

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));

const WARNINGS = {
  plain: /-port accepts connections without TLS from outside this machine/,
  guest: /user guest has the password that everybody knows/,
  anonymous: /Kafka clients .* need not log in/,
};

/** Which of the three are warned of. */
async function warnings(flags: { readonly [key: string]: string }, isGuestSafe = false): Promise<string[]> {
  await using test = await TestBroker.start();
  if (isGuestSafe) await test.broker.access.administration.changePassword('guest', 'something else');
  const found = exposuresOf(configured(flags), test.broker);
  return Object.entries(WARNINGS).flatMap(([name, pattern]) =>
    found.some(({ message }) => pattern.test(message)) ? [name] : [],
  );
}

describe('a warning at the start', () => {
  it('names what is open: TLS that is not there, the password of guest, Kafka without a login', async () => {
    assert.deepEqual(await warnings({}), ['anonymous']);
    assert.deepEqual(await warnings({ 'kafka-anonymous-user': 'none' }), []);
    assert.deepEqual(await warnings({ host: '0.0.0.0' }), ['plain', 'guest']);
    assert.deepEqual(await warnings({ host: '::' }), ['plain', 'guest']);
    assert.deepEqual(await warnings({ host: '0.0.0.0' }, true), ['plain']);
    const encrypted = { host: '0.0.0.0', 'amqp-port': 'off', 'kafka-port': 'off', 'kafkas-port': '9093' };
    assert.deepEqual(await warnings(encrypted, true), []);
    assert.deepEqual(await warnings({ ...encrypted, 'kafka-anonymous-user': 'public' }, true), ['anonymous']);
    assert.deepEqual(await warnings({ 'proxy-protocol-from': '127.0.0.1' }), ['plain', 'guest']);
  });

  it('says for each what to set', async () => {
    await using test = await TestBroker.start();
    const found = exposuresOf(configured({ host: '0.0.0.0', 'loopback-users': 'none' }), test.broker);
    assert.deepEqual(
      found.map(({ listener }) => listener),
      ['amqp', 'kafka', 'all'],
    );
    assert.match(found[0]?.message ?? '', /Set amqps-port, tls-cert and tls-key, and amqp-port = off/);
    assert.match(found[2]?.message ?? '', /log in from anywhere.*sluice users set guest --password/);
  });

  it('is in the log of the broker that is started so', { skip: process.platform === 'win32' }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-exposure-'));
    const flags = [
      '--data-dir',
      join(directory, 'data'),
      '--host',
      '0.0.0.0',
      '--amqp-port',
      '0',
      '--kafka-port',
      '0',
    ];
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')),
    );
    const broker = spawn(LAUNCHER, ['start', ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    broker.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    try {
      await once(createInterface(broker.stdout), 'line');
      broker.kill('SIGTERM');
      await once(broker, 'close');
      assert.match(log, WARNINGS.plain);
      assert.match(log, WARNINGS.guest);
      assert.doesNotMatch(log, WARNINGS.anonymous);
    } finally {
      broker.kill('SIGKILL');
      await rm(directory, { recursive: true });
    }
  });

  it('is not needed for the example of the documentation, once guest has another password', async () => {
    const page = readFileSync(
      fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url)),
      'utf8',
    );
    const example = /```toml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    assert.match(example, /host = "0\.0\.0\.0"/);
    const flags = [...example.matchAll(/^([a-z-]+) = "?([^"\n]*)"?$/gm)].map(([, key, value]) => [
      key,
      value,
    ]);
    assert.deepEqual(await warnings(Object.fromEntries(flags), true), []);
  });
});

describe('Kafka clients that have not logged in', () => {
  it('are let in where only this machine can connect, unless something else is set', () => {
    for (const host of ['127.0.0.1', '127.8.9.10', '::1', 'localhost']) {
      assert.ok(isLocalHost(host));
      assert.equal(anonymousUserOf(configured({ host })), 'guest');
    }
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'broker.example', '1270.0.0.1']) {
      assert.equal(anonymousUserOf(configured({ host })), null);
    }
    assert.equal(anonymousUserOf(configured({ 'proxy-protocol-from': '127.0.0.1' })), null);
    assert.equal(anonymousUserOf(configured({ 'kafka-anonymous-user': 'none' })), null);
    const named = { host: '0.0.0.0', 'kafka-anonymous-user': 'public' };
    assert.equal(anonymousUserOf(configured(named)), 'public');
  });
});
