import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PAGE, renderPage } from '../../../scripts/configuration-page.ts';
import { renderConfiguration } from '../../../src/cli/config/config-command.ts';
import {
  ConfigurationError,
  type ConfigurationSources,
  resolveConfiguration,
} from '../../../src/cli/config/configuration.ts';
import { SETTING_GROUPS } from '../../../src/cli/config/setting-guide.ts';
import { ALL_SETTINGS } from '../../../src/cli/config/settings.ts';

interface Sources {
  readonly flags?: Readonly<Record<string, string>>;
  readonly environment?: ConfigurationSources['environment'];
  readonly toml?: string;
}

function resolve({ flags = {}, environment = {}, toml }: Sources) {
  return resolveConfiguration({
    flags: new Map(Object.entries(flags)),
    environment,
    ...(toml === undefined ? {} : { file: { path: 'sluice.toml', text: toml } }),
  });
}

function problems(sources: Sources): readonly string[] {
  try {
    resolve(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems;
  }
  return [];
}

describe('the configuration', () => {
  it('is the defaults when nothing is given, all of which are allowed values', () => {
    const { values, origins } = resolve({});
    assert.equal(values.amqpPort, 5672);
    assert.equal(values.host, '127.0.0.1');
    assert.deepEqual(values.durability, { mode: 'sync' });
    for (const setting of ALL_SETTINGS) {
      assert.equal(origins.get(setting.name), 'default');
      assert.deepEqual(setting.parse(setting.format(setting.default)), setting.default, setting.key);
    }
  });

  it('takes a value from the file, rather from the environment, rather still from a flag', () => {
    const toml = 'amqp-port = 1001\nhost = "a"\nlog-level = "warn"\n';
    const environment = { SLUICE_AMQP_PORT: '1002', SLUICE_HOST: 'b' };
    const { values, origins } = resolve({ toml, environment, flags: { 'amqp-port': '1003' } });
    assert.equal(values.amqpPort, 1003);
    assert.equal(values.host, 'b');
    assert.equal(values.logLevel, 'warn');
    assert.equal(origins.get('amqpPort'), '--amqp-port');
    assert.equal(origins.get('host'), 'SLUICE_HOST');
    assert.equal(origins.get('logLevel'), 'sluice.toml:3');
  });

  it('names the line, the variable or the flag of a key that does not exist, and the one that was meant', () => {
    assert.deepEqual(problems({ toml: '# mine\n\nheartbeet = 3\n[kafka]\nport = 9092\n' }), [
      "sluice.toml:3: there is no setting 'heartbeet' (did you mean 'heartbeat'?)",
      "sluice.toml:4: Sluice's file has no tables such as [kafka]: write kafka-port = 9092",
    ]);
    assert.deepEqual(problems({ environment: { SLUICE_HOTS: 'x', OTHER: 'y' } }), [
      "SLUICE_HOTS: there is no such setting (did you mean 'SLUICE_HOST'?)",
    ]);
  });

  it('names the settings that somebody means who knows other names for them', () => {
    assert.deepEqual(problems({ toml: 'hots = "x"\nport = 1\n"num.partitions" = 3\nxyzzy = 1\n' }), [
      "sluice.toml:1: there is no setting 'hots' (did you mean 'host'?)",
      "sluice.toml:2: there is no setting 'port' (did you mean 'amqp-port' or 'kafka-port'?)",
      "sluice.toml:3: there is no setting 'num.partitions' (did you mean 'kafka-partitions'?)",
      "sluice.toml:4: there is no setting 'xyzzy'",
    ]);
    assert.deepEqual(problems({ toml: '[amqp]\nprot = 1\n[log]\nlevel = "warn"\n[empty]\n' }), [
      "sluice.toml:1: Sluice's file has no tables such as [amqp]: write amqp-port = 1",
      'sluice.toml:3: Sluice\'s file has no tables such as [log]: write log-level = "warn"',
      "sluice.toml:5: Sluice's file has no tables such as [empty]: write all settings at the top level",
    ]);
    assert.deepEqual(problems({ environment: { SLUICE_PORT: '1' } }), [
      "SLUICE_PORT: there is no such setting (did you mean 'SLUICE_AMQP_PORT' or 'SLUICE_KAFKA_PORT'?)",
    ]);
  });

  it('reads times with and without a unit; without, they are of the unit that the setting has always had', () => {
    const of = (key: string, text: string) => ALL_SETTINGS.find((each) => each.key === key)?.parse(text);
    assert.deepEqual(
      ['1800', '1800s', '30m', '0.5h', '1800000ms'].map((text) => of('consumer-timeout', text)),
      [1800, 1800, 1800, 1800, 1800],
    );
    assert.equal(of('consumer-timeout', '500ms'), 0.5);
    assert.equal(of('offsets-retention', '10080'), of('offsets-retention', '7d'));
    assert.equal(of('group-min-session-timeout', '6000'), of('group-min-session-timeout', '6s'));
    assert.deepEqual(of('durability', 'interval:20ms'), of('durability', 'interval:20'));
    for (const text of ['1.5', '500ms', '-1s', 's', '1 week', '20h']) {
      assert.equal(of('heartbeat', text), undefined, text);
    }
  });

  it('names the place of a wrong value and what is allowed there', () => {
    assert.deepEqual(
      problems({
        toml: 'frame-max = 3\nhost = ["a"]\n',
        environment: { SLUICE_DURABILITY: 'never' },
        flags: { 'amqp-port': '65536' },
      }),
      [
        'sluice.toml:2: host takes one value, not a list or a table; allowed: a host name or an IP address, without a port',
        "sluice.toml:1: frame-max: '3' is not allowed; allowed: a size such as 64MiB, 512KiB, 2GiB or a plain number of bytes, at least 4KiB and at most 16MiB",
        "SLUICE_DURABILITY: 'never' is not allowed; allowed: sync, interval:<time> (from 1ms to 1m; a plain number is milliseconds), os",
        "--amqp-port: '65536' is not allowed; allowed: a port from 1 to 65535, 0 for any free one, off for none",
      ],
    );
  });

  it('finds a wrong value although a stronger source overrides it', () => {
    assert.equal(problems({ toml: 'heartbeat = -1\n', flags: { heartbeat: '10' } }).length, 1);
  });

  it('names line and column of what is not TOML', () => {
    assert.match(problems({ toml: 'host = "a"\nmemory-limit = 3 MiB\n' })[0], /^sluice\.toml:2:\d+: /);
  });

  it('refuses a port of a protocol that is not built, but not that it is off', () => {
    assert.deepEqual(problems({ flags: { 'mqtt-port': '1883' } }), [
      '--mqtt-port: not built in this version of Sluice; leave it out or set it to off',
    ]);
    assert.deepEqual(problems({ flags: { 'mqtt-port': 'off' } }), []);
  });

  it('ignores the variables that Kubernetes makes for services', () => {
    const environment = {
      SLUICE_SERVICE_HOST: '10.0.0.7',
      SLUICE_SERVICE_PORT_AMQP: '5672',
      SLUICE_PORT: 'tcp://10.0.0.7:5672',
      SLUICE_PORT_5672_TCP_ADDR: '10.0.0.7',
      SLUICE_AMQP_PORT: 'tcp://10.0.0.7:5672',
    };
    assert.equal(resolve({ environment }).values.amqpPort, 5672);
  });

  it('refuses a journal limit that does not hold two journal files', () => {
    const flags = { 'journal-limit': '32MiB' };
    assert.match(problems({ flags })[0], /^journal-limit must be at least twice journal-file-size/);
  });

  it('refuses one port for two listeners, and says where each has it from', () => {
    assert.deepEqual(problems({ flags: { 'amqp-port': '9092' } }), [
      'amqp-port and kafka-port cannot both be 9092 (amqp-port: --amqp-port, kafka-port: default)',
    ]);
    assert.deepEqual(problems({ flags: { 'amqp-port': '0', 'kafka-port': '0' } }), []);
    assert.deepEqual(problems({ flags: { 'amqp-port': '9092', 'kafka-port': 'off' } }), []);
  });

  it('takes no address with a port, a list or a blank for a host', () => {
    for (const host of ['127.0.0.1:5672', '[::1]', '[::1]:5672', 'a b', 'a,b', 'amqp://a']) {
      assert.match(
        problems({ flags: { host } })[0],
        /^--host: '.*' is not allowed; allowed: .* without a port$/,
      );
    }
    for (const host of [
      '0.0.0.0',
      '::',
      '::1',
      'fe80::1%eth0',
      'localhost',
      'broker-1.example',
      'bücher.example',
    ]) {
      assert.equal(resolve({ flags: { host } }).values.host, host);
    }
  });

  it('reads sizes with and without units, and writes them as it reads them', () => {
    const memory = (text: string) => resolve({ flags: { 'memory-limit': text } }).values.memoryLimitBytes;
    assert.equal(memory('64MiB'), 64 * 2 ** 20);
    assert.equal(memory('64 mb'), 64 * 2 ** 20);
    assert.equal(memory('1GiB'), 2 ** 30);
    assert.equal(memory('10000000'), 10_000_000);
    const setting = ALL_SETTINGS.find((each) => each.key === 'memory-limit')!;
    fc.assert(
      fc.property(
        fc.integer({ min: 8 * 2 ** 20 }),
        (bytes) => setting.parse(setting.format(bytes)) === bytes,
      ),
    );
  });

  it('reads a part of the memory or an amount of it, and lists of names, and refuses what is neither', () => {
    const mark = (text: string) =>
      resolve({ flags: { 'memory-high-water-mark': text } }).values.memoryHighWaterMark;
    assert.deepEqual(mark('0.4'), { fraction: 0.4 });
    assert.deepEqual(mark('1'), { fraction: 1 });
    assert.deepEqual(mark('2GiB'), { bytes: 2 ** 31 });
    assert.equal(mark('off'), 'off');
    for (const text of ['0', '0.0', '1.1', '40%', '31MiB', '-1']) {
      assert.match(problems({ flags: { 'memory-high-water-mark': text } })[0], /not allowed/, text);
    }
    const users = (text: string) => resolve({ flags: { 'loopback-users': text } }).values.loopbackUsers;
    assert.deepEqual(users('guest, ada'), ['guest', 'ada']);
    assert.deepEqual(users('none'), []);
    assert.match(problems({ flags: { 'loopback-users': 'a,,b' } })[0], /not allowed/);
  });

  it('reads addresses and networks of proxies, also as a list, and names the one that is neither', () => {
    const from = (toml: string) =>
      resolve({ toml: `proxy-protocol-from = ${toml}\n` }).values.proxyProtocolFrom;
    assert.deepEqual(from('"10.0.0.0/8, fd00::1"'), ['10.0.0.0/8', 'fd00::1']);
    assert.deepEqual(from('["10.0.0.0/8", "192.0.2.7"]'), ['10.0.0.0/8', '192.0.2.7']);
    assert.deepEqual(from('[]'), []);
    assert.deepEqual(problems({ toml: 'proxy-protocol-from = ["10.0.0.0/8", "proxy.example"]\n' }), [
      "sluice.toml:1: proxy-protocol-from: 'proxy.example' is not allowed; allowed: addresses and networks such as " +
        '10.0.0.0/8 or fd00::/8, with commas between them, or none',
    ]);
    assert.match(
      problems({ flags: { 'proxy-protocol-from': '10.0.0.0/33' } })[0],
      /^--proxy.*'10\.0\.0\.0\/33'/,
    );
  });

  it('is printed as a file that gives the same configuration again', () => {
    const flags = {
      'amqp-port': '0',
      durability: 'interval:20',
      'data-dir': 'C:\\a "b"',
      'disk-free-limit': '0',
      'memory-high-water-mark': '0.25',
      'loopback-users': 'none',
    };
    const first = resolve({ flags });
    const printed = renderConfiguration(first);
    assert.match(printed, /^amqp-port = 0 +# --amqp-port$/m);
    assert.deepEqual(resolve({ toml: printed }).values, first.values);
  });

  it('has a place in a chapter of the page for each setting, and when to change it', () => {
    const placed = SETTING_GROUPS.flatMap(({ settings }) => Object.keys(settings));
    // A new setting goes into src/cli/config/setting-guide.ts, once.
    assert.deepEqual(placed.toSorted(), ALL_SETTINGS.map(({ name }) => name as string).toSorted());
  });

  it('is documented from its table (npm run docs writes the page)', () => {
    assert.equal(readFileSync(PAGE, 'utf8'), renderPage());
  });
});
