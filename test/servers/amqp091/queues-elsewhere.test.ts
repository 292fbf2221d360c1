import { TestServer } from './test-server.ts';

/**
 * What clients see does not depend on where a queue is: here the connections are in one shard, and the queues in another. Nothing else
 * differs from the tests that are named.
 */
TestServer.queuesAreElsewhere = true;

const tests = [
  './consumers.test.ts',
  './prefetch.test.ts',
  './deliver/counts.test.ts',
  './deliver/delayed-retry.test.ts',
  './deliver/delivery-ack-timeout.test.ts',
  './deliver/direct-reply.test.ts',
  './deliver/large-headers.test.ts',
  './rpc.test.ts',
  './trace.test.ts',
  './rabbitmq-client.test.ts',
  './messages.test.ts',
  './channels.test.ts',
  './limits.test.ts',
];

for (const path of tests) await import(path);
