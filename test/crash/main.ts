import { inspect, parseArgs } from 'node:util';
import { ensureKafka } from '../../bench/kafka-install.ts';
import { describeFlip, flipOneBit } from './bit-flips.ts';
import { KafkaCopier } from './copies/kafka-copier.ts';
import { OwnCopier } from './copies/own-copier.ts';
import { runTransactionalCopies } from './copies/transactional-copies.ts';
import { allFaults, runFault } from './disk-faults.ts';
import { buildShim, failSomewhere } from './failing-disk.ts';
import { fillDisk } from './full-disk.ts';
import { runKills } from './kill.ts';
import { cutOutOfTime, cutWhileMoving, fillWhileMoving } from './moving.ts';
import { flipWhileMoving } from './moving-flips.ts';
import { runOutboxes } from './outboxes.ts';
import { cutShards, describeFailure, runPowerCuts, runReplicas } from './power-cut.ts';
import { fillShardDisk } from './shards/full-shard-disk.ts';
import { cutShardMoves } from './shards/move.ts';
import { cutKafkaTransactions } from './shards/transactions.ts';
import { cutTransactions } from './shards/tx.ts';
import { runStreamKills } from './stream-kills.ts';
import { cutStreams, fillWithStreams, flipInStreams } from './streams.ts';

/**
 * The long forms of the crash tests, phase after phase; each ends with a line `<phase>: N passed, N failed`.
 *
 *     npm run test:crash -- [--power-cuts N] [--bit-flips N] [--full-disks N] [--moving-cuts N] [--moving-clocks N] [--moving-flips N]
 *         [--moving-full-disks N] [--stream-cuts N] [--stream-flips N] [--stream-full-disks N] [--disk-faults N] [--failing-disks N] [--replicas N] [--outboxes N] [--shard-transactions N] [--shard-moves N] [--kafka-transactions N] [--kills N] [--stream-kills N] [--transactional-copies N] [--seed N] [--shards N]
 *
 * Without a phase named, all run. `--seed` is the first seed; a failing one is printed with what happened before. With `--shards N` the phases
 * that know several shards run with so many.
 */
interface Phase {
  readonly count: number;
  /** Resolves with the number of those that failed. */
  run(count: number, firstSeed: number): Promise<number>;
}

const FAILURES_SHOWN = 3;

const PHASES: Readonly<Record<string, Phase>> = {
  'power-cuts': {
    count: 10_000,
    run: seeds('power-cuts', async (seed) => describe(await runPowerCuts(seed))),
  },
  'bit-flips': {
    count: 5_000,
    run: seeds('bit-flips', async (seed) => describeFlip(await flipOneBit(seed))),
  },
  'full-disks': { count: 2_000, run: seeds('full-disks', async (seed) => describe(await fillDisk(seed))) },
  'moving-cuts': {
    count: 2000,
    run: seeds('moving-cuts', async (seed) => describe(await cutWhileMoving(seed))),
  },
  'moving-clocks': {
    count: 500,
    run: seeds('moving-clocks', async (seed) => describe(await cutOutOfTime(seed))),
  },
  'moving-flips': {
    count: 1000,
    run: seeds('moving-flips', async (seed) => describeFlip(await flipWhileMoving(seed))),
  },
  'moving-full-disks': {
    count: 1000,
    run: seeds('moving-full-disks', async (seed) => describe(await fillWhileMoving(seed))),
  },
  'stream-cuts': {
    count: 2000,
    run: seeds('stream-cuts', async (seed) => describe(await cutStreams(seed))),
  },
  'stream-flips': {
    count: 2000,
    run: seeds('stream-flips', async (seed) => describeFlip(await flipInStreams(seed))),
  },
  'stream-full-disks': {
    count: 1000,
    run: seeds('stream-full-disks', async (seed) => describe(await fillWithStreams(seed))),
  },
  'disk-faults': { count: 2250, run: diskFaults },
  'failing-disks': { count: 30, run: failingDisks },
  replicas: { count: 2000, run: seeds('replicas', async (seed) => describe(await runReplicas(seed))) },
  'shard-transactions': {
    count: 500,
    run: seeds('shard-transactions', async (seed) => describe(await cutTransactions(seed))),
  },
  'shard-moves': {
    count: 2000,
    run: seeds('shard-moves', async (seed) => describe(await cutShardMoves(seed))),
  },
  'kafka-transactions': {
    count: 2000,
    run: seeds('kafka-transactions', async (seed) => describe(await cutKafkaTransactions(seed))),
  },
  outboxes: { count: 20_000, run: seeds('outboxes', async (seed) => describe(await runOutboxes(seed))) },
  kills: { count: 200, run: kills },
  'stream-kills': { count: 100, run: streamKills },
  'transactional-copies': { count: 50, run: transactionalCopies },
};

const WITH_SHARDS: Readonly<Record<string, Phase>> = {
  'power-cuts': {
    count: 3_000,
    run: seeds('power-cuts', async (seed) => describe(await cutShards(seed, shards))),
  },
  'full-disks': {
    count: 500,
    run: seeds('full-disks', async (seed) => describe(await fillShardDisk(seed, shards))),
  },
  kills: { count: 200, run: kills },
};

function describe(failure: Awaited<ReturnType<typeof runPowerCuts>>): string | null {
  return failure === null ? null : describeFailure(failure);
}

/** One run for each seed. */
function seeds(name: string, run: (seed: number) => Promise<string | null>): Phase['run'] {
  return async (count, firstSeed) => {
    let failed = 0;
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      const failure = await run(seed);
      if (failure !== null && ++failed <= FAILURES_SHOWN) console.log(`${name}, ${failure}\n`);
    }
    return failed;
  };
}

/** Every call of the scenario in turn, from the first seed on. */
async function diskFaults(count: number, first: number): Promise<number> {
  let failed = 0;
  for (const fault of (await allFaults()).slice(first - 1, first - 1 + count)) {
    try {
      await runFault(fault);
    } catch (error) {
      if (++failed <= FAILURES_SHOWN) console.log(`disk-faults, ${inspect(error)}\n`);
    }
  }
  return failed;
}

/** The real process, whose calls of the C library fail; where there is a C compiler. */
async function failingDisks(count: number, firstSeed: number): Promise<number> {
  const shim = await buildShim();
  if (shim === null) {
    console.log('failing-disks: there is no C compiler, nothing was run');
    return 0;
  }
  try {
    return await seeds('failing-disks', (seed) => failSomewhere(shim.path, seed))(count, firstSeed);
  } finally {
    await shim.remove();
  }
}

/** All on one data directory, with one history: it is right, or it is not. */
async function kills(count: number, seed: number): Promise<number> {
  try {
    const { confirmed, commits, deliveries } = await runKills(count, seed, shards);
    console.log(`kills: ${confirmed} confirms, ${commits} commits, ${deliveries} deliveries`);
    return 0;
  } catch (error) {
    console.log(`kills, seed ${seed}: ${inspect(error)}`);
    return count;
  }
}

async function streamKills(count: number, seed: number): Promise<number> {
  try {
    const { confirmed, left } = await runStreamKills(count, seed);
    console.log(`stream-kills: ${confirmed} records confirmed, ${left} left in the end`);
    return 0;
  } catch (error) {
    console.log(`stream-kills, seed ${seed}: ${inspect(error)}`);
    return count;
  }
}

/** So many kills while a million records are copied in transactions: by Kafka's own program where it can be had. */
async function transactionalCopies(kills: number, seed: number): Promise<number> {
  let program: typeof KafkaCopier | typeof OwnCopier = KafkaCopier;
  try {
    ensureKafka(console.log);
  } catch (error) {
    console.log(`transactional-copies: without Kafka's program: ${inspect(error)}`);
    program = OwnCopier;
  }
  const records = Number(process.env.RECORDS ?? 1_000_000);
  const copier = (...parameters: ConstructorParameters<typeof KafkaCopier>) => new program(...parameters);
  try {
    const { offsets } = await runTransactionalCopies({ kills, records, seed, copier });
    console.log(`transactional-copies: ${records} records, each there once, at ${offsets} offsets`);
    return 0;
  } catch (error) {
    console.log(`transactional-copies, seed ${seed}: ${inspect(error)}`);
    return kills;
  }
}

const { values } = parseArgs({
  options: Object.fromEntries(
    [...Object.keys(PHASES), 'seed', 'shards'].map((name) => [name, { type: 'string' } as const]),
  ),
});
const shards = Number(values.shards ?? 1);
const phases = shards === 1 ? PHASES : WITH_SHARDS;
const wanted = Object.keys(PHASES).filter((name) => values[name] !== undefined);
for (const name of wanted.length > 0 ? wanted : Object.keys(phases)) {
  const phase = phases[name];
  if (phase === undefined) throw new Error(`--${name} does not know several shards`);
  const count = Number(values[name] ?? phase.count);
  const failed = await phase.run(count, Number(values.seed ?? 1));
  console.log(`${name}: ${count - failed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
