import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ConsumeMessage } from 'amqplib';
import type { Table } from '../../../src/base/value.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

describe('the arguments of basic.consume (AMQP 1.8.3.3)', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(() => test[Symbol.asyncDispose]());

  /** What the server says to these arguments; null if they are fine. */
  async function refusal(args: Table): Promise<string | null> {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue('q');
    try {
      await channel.consume('q', () => undefined, { arguments: args });
      return null;
    } catch (error) {
      return /with message "(.*)"$/.exec((error as Error).message)?.[1] ?? String(error);
    }
  }

  it('are taken as RabbitMQ takes them, or refused in its words', async () => {
    const invalid = (key: string, reason: string) =>
      `PRECONDITION_FAILED - invalid arg '${key}' for queue 'q' in vhost '/'${reason}`;
    const wrong = (type: string) => invalid('x-priority', `: "expected integer, got ${type}"`);
    const cases: readonly (readonly [Table, string | null])[] = [
      [{ 'x-priority': 5 }, null],
      [{ 'x-priority': -5 }, null],
      [{ 'x-priority': 2 ** 40 }, null],
      [{ 'x-priority': 1.5 }, wrong('double')],
      [{ 'x-priority': 'high' }, wrong('longstr')],
      [{ 'x-priority': true }, wrong('bool')],
      [{ 'x-priority': null }, wrong('void')],
      [{ 'x-priority': [1] }, wrong('array')],
      [{ 'x-cancel-on-ha-failover': true }, null],
      [
        { 'x-cancel-on-ha-failover': 'a' },
        invalid('x-cancel-on-ha-failover', ': {unacceptable_type,longstr}'),
      ],
      [{ 'x-stream-offset': 'first' }, invalid('x-stream-offset', ' of queue type rabbit_classic_queue')],
      [{ 'x-whatever': 1 }, null],
    ];
    for (const [args, expected] of cases) assert.equal(await refusal(args), expected, JSON.stringify(args));
  });

  it('prefer consumers of a higher priority until they hold as much as they may', async () => {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('ranked');
    await channel.prefetch(3);
    const seen: Record<string, ConsumeMessage[]> = { low: [], none: [], high: [] };
    for (const [tag, priority] of [
      ['low', -1],
      ['none', undefined],
      ['high', 7],
    ] as const) {
      await channel.consume('ranked', (message) => message && seen[tag]?.push(message), {
        consumerTag: tag,
        ...(priority === undefined ? {} : { priority }),
      });
    }
    const counts = () => [seen.high?.length, seen.none?.length, seen.low?.length].join(' ');
    for (let i = 0; i < 8; i++) {
      channel.sendToQueue('ranked', Buffer.from(String(i)));
      await channel.checkQueue('ranked');
    }
    await until(() => counts() === '3 3 2');
    channel.ack(seen.high?.[0]);
    await channel.checkQueue('ranked');
    channel.sendToQueue('ranked', Buffer.from('8'));
    await until(() => counts() === '4 3 2');
  });
});
