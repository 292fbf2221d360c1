import assert from 'node:assert/strict';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { AmqpClient } from './amqp-client.ts';
import type { Broker } from './broker.ts';
import { eventually } from './eventually.ts';
import {
  delivered,
  type ExpectedMessage,
  type ExpectedQueue,
  isTransient,
  publish,
  seen,
} from './expected-message.ts';

/**
 * Reads each queue to its end, leaves all in it, and adds a message. After a crash each message may be marked as
 * delivered before; one that was must be.
 * @returns what the queues have then
 */
export async function verifyQueues(
  broker: Broker,
  queues: readonly ExpectedQueue[],
  isAfterCrash: boolean,
): Promise<ExpectedQueue[]> {
  const left: ExpectedQueue[] = [];
  for (const queue of queues) {
    const reader = await AmqpClient.open(broker, queue.login);
    const found = await readAll(reader.channel, queue);
    compare(queue.name, found, present(queue.messages, found), isAfterCrash);
    await reader.close();
    if (queue.dropsMore) {
      left.push({ ...queue, messages: found.map(delivered) });
      continue;
    }
    const writer = await AmqpClient.open(broker, queue.login);
    const added = publish(writer.channel, '', queue.name, `added to ${queue.name}`, {
      headers: { added: true },
    });
    await writer.channel.waitForConfirms();
    await writer.close();
    left.push({ ...queue, messages: [...found.map(delivered), added] });
  }
  return left;
}

/** Acknowledges all that there is, and finds the queues empty. */
export async function emptyQueues(broker: Broker, queues: readonly ExpectedQueue[]): Promise<void> {
  for (const queue of queues) {
    const { channel, close } = await openFor(broker, queue);
    const found = await readAll(channel, queue, true);
    const wanted = present(queue.messages, found);
    const byBody = (messages: readonly ExpectedMessage[]) =>
      messages.map(({ body }) => body.toString('latin1'));
    assert.deepEqual(byBody(found), byBody(wanted), `${queue.name}, opened again`);
    const isLost = found.findIndex(({ wasDelivered }, at) => !wasDelivered && wanted[at].wasDelivered);
    assert.equal(isLost, -1, `${queue.name}, opened again: a message is not marked as delivered before`);
    await eventually(
      async () => (await channel.checkQueue(queue.name)).messageCount,
      (count) => count === 0,
      `messages ready in ${queue.name}`,
    );
    await close();
  }
}

async function openFor(
  broker: Broker,
  { login }: ExpectedQueue,
): Promise<{ channel: ConfirmChannel; close: () => Promise<void> }> {
  const client = await AmqpClient.open(broker, login);
  return { channel: client.channel, close: async () => await client.close() };
}

/** As many as there should be, when they are there: a message may still be delayed. More than that is a failure. */
async function readAll(
  channel: ConfirmChannel,
  { name, messages }: ExpectedQueue,
  acknowledge = false,
): Promise<ExpectedMessage[]> {
  const durable = messages.filter((message) => !isTransient(message)).length;
  const ready = await eventually(
    async () => (await channel.checkQueue(name)).messageCount,
    (count) => count >= durable,
    `messages ready in ${name}, of ${durable}`,
  );
  assert.ok(ready <= messages.length, `${ready} messages in ${name}, of ${messages.length}`);
  const got: ConsumeMessage[] = [];
  await channel.consume(name, (message) => message !== null && got.push(message));
  await eventually(
    () => got.length,
    (length) => length >= ready,
    `messages delivered from ${name}, of ${ready}`,
  );
  if (acknowledge) channel.ackAll();
  return got.map(seen);
}

/** Those that have to be there, and those of the others that are. */
function present(
  wanted: readonly ExpectedMessage[],
  found: readonly ExpectedMessage[],
): readonly ExpectedMessage[] {
  const isFound = (message: ExpectedMessage) => found.some(({ body }) => body.equals(message.body));
  return wanted.filter((message) => !isTransient(message) || isFound(message));
}

function compare(
  queue: string,
  found: readonly ExpectedMessage[],
  wanted: readonly ExpectedMessage[],
  isAfterCrash: boolean,
): void {
  assert.equal(found.length, wanted.length, `messages in ${queue}`);
  found.forEach((message, at) => {
    const { wasDelivered, ...rest } = message;
    const { wasDelivered: shouldBe, ...wantedRest } = wanted[at];
    // To print the difference of bodies of mebibytes would take minutes.
    assert.ok(rest.body.equals(wantedRest.body), `${queue}, message ${at}: ${rest.body.subarray(0, 40)}…`);
    assert.deepEqual({ ...rest, body: null }, { ...wantedRest, body: null }, `${queue}, message ${at}`);
    if (!isAfterCrash || shouldBe) {
      assert.equal(wasDelivered, shouldBe, `${queue}, message ${at}: marked as delivered before`);
    }
  });
}
