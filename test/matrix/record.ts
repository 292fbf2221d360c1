import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Answers } from './compare.ts';

/** What RabbitMQ 3.10.8 answered in every case: `npm run test:matrix -- --peer rabbitmq --record`. */
export const RECORD_FILE = fileURLToPath(new URL('rabbitmq-3.10.json', import.meta.url));

export async function readRecord(): Promise<Answers> {
  return JSON.parse(await readFile(RECORD_FILE, 'utf8')) as Answers;
}
