import { oneRecordThreeReaders } from './demo.ts';

/** `node main.ts [amqp://host:port] [host:port]`: for a broker that runs, and has no topic `orders` yet. */
const [amqp = 'amqp://127.0.0.1:5672', kafka = '127.0.0.1:9092'] = process.argv.slice(2);

await oneRecordThreeReaders({ amqp, kafka }, (line) => process.stdout.write(`${line}\n`));
