import { parseArgs } from 'node:util';
import { BEHAVIOURS } from './behaviours/table.ts';
import { type Outcome, runBehaviour } from './run-behaviour.ts';

/**
 * Clients that do harm, one kind after the other, beside ordinary ones that must not notice:
 *
 *     npm run test:hostile -- [--seconds N] [--memory MIB] [--only NAME,NAME] [--stop-under-attack]
 *
 * `--memory`: the broker runs in a control group with this limit (Linux, as root). `--stop-under-attack`: the harm goes on
 * while the broker is told to stop.
 */
const P99_MS_MAX = 20;
const MAX_MS = 100;
const RESTART_MS_MAX = 3000;
const STOP_MS_MAX = 10_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    memory: { type: 'string' },
    only: { type: 'string' },
    'stop-under-attack': { type: 'boolean', default: false },
  },
});
const only = values.only?.split(',');
const unknown = only?.find((name) => !BEHAVIOURS.some((each) => each.name === name));
if (unknown !== undefined)
  throw new Error(`there is no behaviour '${unknown}': ${BEHAVIOURS.map((each) => each.name).join(', ')}`);
const memoryBytes = values.memory === undefined ? null : Number(values.memory) * 1024 * 1024;
let failed = 0;
for (const behaviour of BEHAVIOURS) {
  if (only !== undefined && !only.includes(behaviour.name)) continue;
  const outcome = await runBehaviour(behaviour, {
    seconds: Number(values.seconds),
    memoryBytes,
    stopsUnderAttack: values['stop-under-attack'],
  });
  const faults = faultsOf(outcome, behaviour.blocksAll !== true);
  console.log(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${line(outcome)}\n       ${behaviour.title}`);
  if (outcome.longest !== '') console.log(`       the loop was held longest by ${outcome.longest}`);
  for (const fault of new Set(faults)) console.log(`       ${fault}`);
  if (faults.length > 0) failed++;
}
console.log(`${failed} failed`);
if (failed > 0) process.exitCode = 1;

function faultsOf({ amqp, kafka, stopMs, restartMs, problems }: Outcome, hasCanaries: boolean): string[] {
  const faults = [...problems.slice(0, 10)];
  for (const [protocol, { p99Ms, maxMs }] of Object.entries(hasCanaries ? { amqp, kafka } : {})) {
    if (!(p99Ms <= P99_MS_MAX)) faults.push(`${protocol}: p99 is more than ${P99_MS_MAX} ms`);
    if (!(maxMs <= MAX_MS)) faults.push(`${protocol}: the slowest took more than ${MAX_MS} ms`);
  }
  if (stopMs > STOP_MS_MAX) faults.push(`the stop took more than ${STOP_MS_MAX} ms`);
  if (restartMs > RESTART_MS_MAX) faults.push(`the restart took more than ${RESTART_MS_MAX} ms`);
  return faults;
}

function line({ name, amqp, kafka, highestBytes, logBytes, stopMs, restartMs }: Outcome): string {
  const ms = (value: number) => value.toFixed(value < 10 ? 1 : 0);
  const one = (title: string, { count, p50Ms, p99Ms, maxMs }: Outcome['amqp']) =>
    `${title} ${count}: p50 ${ms(p50Ms)} p99 ${ms(p99Ms)} max ${ms(maxMs)} ms`;
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
  return (
    `${name.padEnd(28)} ${one('amqp', amqp)} | ${one('kafka', kafka)} | resident ${mib(highestBytes)}, ` +
    `log ${(logBytes / 1024).toFixed(0)} KiB, stop ${ms(stopMs)} ms, restart ${ms(restartMs)} ms`
  );
}
