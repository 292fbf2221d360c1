/** What the JavaScript programs for Kafka share: steps that pass or fail, and where the broker is. */
import { randomBytes } from 'node:crypto';

export const BOOTSTRAP = process.env.KAFKA_BOOTSTRAP ?? '127.0.0.1:9092';
/** Where guest:guest can log in. */
export const SASL_BOOTSTRAP = process.env.KAFKA_SASL_BOOTSTRAP;
export const PATIENCE_MS = 20_000;
const STEP_LIMIT_MS = 60_000;

export type Step = readonly [title: string, run: () => Promise<void>];

/** Runs the steps whose title contains the word given, says how each ended, and ends the process. */
export async function tour(steps: readonly Step[]): Promise<never> {
  const only = process.argv[2] ?? '';
  let failures = 0;
  for (const [title, run] of steps) {
    if (!title.includes(only)) continue;
    try {
      await within(STEP_LIMIT_MS, title, run());
      console.log(`ok ${title}`);
    } catch (error) {
      failures += 1;
      console.log(`FAILED ${title}`);
      console.log(error);
    }
  }
  process.exit(failures === 0 ? 0 : 1);
}

export function fresh(what: string): string {
  return `tour.${what}.${randomBytes(4).toString('hex')}`;
}

export function numbers(from: number, below: number): string[] {
  return Array.from({ length: below - from }, (_, i) => String(from + i));
}

export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: still not done after ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
