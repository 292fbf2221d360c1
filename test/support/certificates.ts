import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a certificate or key for tests; `test/servers/amqp091/certificates/make` says what each is. */
export function certificatePath(name: string): string {
  return fileURLToPath(new URL(`../servers/amqp091/certificates/${name}`, import.meta.url));
}

export function pem(name: string): string {
  return readFileSync(certificatePath(name), 'utf8');
}
