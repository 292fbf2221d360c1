import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { advertisedAddress } from '../../src/cli/config/setting-types.ts';
import { metadata } from '../../src/wire/kafka/messages/metadata.ts';
import { KafkaClient } from '../servers/kafka/kafka-client.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

describe('sluice start with the Kafka protocol', { skip: process.platform === 'win32' }, () => {
  it('prints where it listens, tells clients the advertised address, and makes topics as it was told', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-kafka-start-'));
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    const flags = ['--amqp-port', 'off', '--kafka-port', '0', '--kafka-partitions', '3'];
    const broker = spawn(
      LAUNCHER,
      ['start', '--data-dir', directory, ...flags, '--kafka-advertised-host', 'kafka.example:9999'],
      { env: Object.fromEntries(inherited), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = once(broker, 'close');
    try {
      const [line] = await once(createInterface(broker.stdout), 'line');
      const match = /^sluice ready kafka=127\.0\.0\.1:(\d+) pid=\d+$/.exec(String(line));
      assert.ok(match, String(line));
      using client = await KafkaClient.connect(Number(match[1]));
      const { brokers, topics } = await client.request(metadata, 12, {
        topics: [{ name: 'made' }],
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      });
      assert.deepEqual([brokers[0]?.host, brokers[0]?.port], ['kafka.example', 9999]);
      assert.equal(topics[0]?.partitions.length, 3);
      broker.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
      await client.closed();
    } finally {
      broker.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true });
    }
  });
});

describe('kafka-advertised-host', () => {
  it('is a host, with or without a port', () => {
    const accepted = ['kafka.example', 'kafka.example:9092', '10.0.0.1:1', '[::1]', '[::1]:9092', 'none'];
    for (const text of accepted) {
      const value = advertisedAddress.parse(text);
      assert.notEqual(value, undefined, text);
      assert.equal(advertisedAddress.format(value ?? null), text);
    }
    for (const text of ['', 'a b', ':9092', 'host:0', 'host:65536', '::1', 'host:9092:1']) {
      assert.equal(advertisedAddress.parse(text), undefined, text);
    }
  });
});
