import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unmetSettings } from '../../../src/cli/broker-process/unmet-settings.ts';
import { resolveConfiguration } from '../../../src/cli/config/configuration.ts';
import { TestBroker } from '../../broker/test-broker.ts';

describe('a warning at the start', () => {
  it('names the settings that do not do what they say, and what to do about each', async () => {
    await using test = await TestBroker.start();
    const unmet = (flags: { readonly [key: string]: string }) => {
      const { values, origins } = resolveConfiguration({
        flags: new Map(Object.entries(flags)),
        environment: {},
      });
      return unmetSettings(values, origins, test.broker);
    };
    assert.deepEqual(unmet({}), []);
    assert.deepEqual(unmet({ 'kafka-vhost': '/', 'kafka-anonymous-user': 'guest' }), []);
    const named = { 'kafka-vhost': 'shop', 'kafka-anonymous-user': 'ada' };
    assert.deepEqual(
      unmet(named).map(({ setting }) => setting),
      ['kafka-vhost', 'kafka-anonymous-user'],
    );
    assert.match(unmet(named)[0]?.message ?? '', /no virtual host 'shop'.*sluice vhosts add shop/);
    assert.match(unmet(named)[1]?.message ?? '', /no user 'ada'.*sluice users add ada/);
    assert.deepEqual(unmet({ ...named, 'kafka-port': 'off' }), []);
    const files = { 'tls-cert': 'c.pem', 'tls-key': 'k.pem' };
    assert.deepEqual(
      unmet(files).map(({ message }) => message),
      Object.keys(files).map((key) => `${key} has no effect: amqps-port and kafkas-port are off`),
    );
    assert.deepEqual(unmet({ ...files, 'amqps-port': '0' }), []);
  });
});
