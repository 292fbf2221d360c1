/**
 * `sluice start` with several shards, run in another way than users have them. The first argument is JSON: `{ count, thread?, sharing? }`;
 * the others are flags and their values, as of `sluice start`.
 */
import { start } from '../../src/cli/broker-process/start.ts';
import { resolveConfiguration } from '../../src/cli/config/configuration.ts';
import { fail } from '../../src/cli/failure.ts';

const [options = '', ...words] = process.argv.slice(2);
const { count, thread, sharing } = JSON.parse(options);
const flags = new Map<string, string>([['shards', String(count)]]);
for (let i = 0; i < words.length; i += 2) flags.set((words[i] as string).slice(2), words[i + 1] as string);

try {
  await start(resolveConfiguration({ flags, environment: {} }), {
    ...(thread !== undefined && { thread: new URL(thread, import.meta.url) }),
    ...(sharing !== undefined && { sharing }),
  });
} catch (error) {
  fail(error);
}
