import { CLIENTS } from './clients.ts';
import { round, runCheck } from './round/round.ts';

/** `node test/interop/main.ts CLIENT`: the round with one library against the broker at AMQP_URL, check by check. */
const name = process.argv[2];
const url = process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672/';
const chosen = CLIENTS.find(({ client }) => client.name === name);
if (chosen === undefined) throw new Error(`no client '${name}': ${CLIENTS.map((each) => each.client.name)}`);

let failures = 0;
for (const check of round(chosen.client, chosen.headers)) {
  try {
    await runCheck(check, chosen.client, url);
    console.log(`ok      ${check.title}`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED  ${check.title}`);
    console.log(error);
  }
}
console.log(`${name}: ${failures === 0 ? 'all checks passed' : `${failures} checks failed`}`);
// A library may keep something open that failed.
process.exit(failures === 0 ? 0 : 1);
