import { parentPort, workerData } from 'node:worker_threads';
import { connect } from 'amqplib';

/**
 * A client that does nothing wrong, in a thread of its own: it publishes, waits for the confirm and the delivery, and
 * says how long that took. It must not notice what happens to the others.
 */
const PAUSE_MS = 10;

const connection = await connect(`amqp://127.0.0.1:${workerData}`);
connection.on('error', (error) => post({ problem: String(error) }));
connection.on('close', () => post({ problem: 'the connection was closed' }));
const channel = await connection.createConfirmChannel();
channel.on('error', (error) => post({ problem: String(error) }));
const { queue } = await channel.assertQueue('canary', { exclusive: true });
let delivered: (text: string) => void = () => undefined;
await channel.consume(
  queue,
  (message) => {
    if (message === null) return post({ problem: 'the consumer was cancelled' });
    channel.ack(message);
    delivered(message.content.toString());
  },
  { noAck: false },
);
post({ ready: true });

for (let count = 0; ; count++) {
  const begin = performance.now();
  const delivery = new Promise<string>((resolve) => (delivered = resolve));
  channel.sendToQueue(queue, Buffer.from(String(count)), { persistent: count % 10 === 0 });
  const [text] = await Promise.all([delivery, channel.waitForConfirms()]);
  if (text !== String(count)) post({ problem: `message ${count} was sent, ${text} came` });
  post({ latencyMs: performance.now() - begin });
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** What the canary says. */
export type Song = { readonly ready: true } | { readonly latencyMs: number } | { readonly problem: string };

function post(song: Song): void {
  parentPort?.postMessage(song);
}
