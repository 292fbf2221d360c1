import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { File } from '../../../src/log/files/filesystem.ts';
import { seededRandom } from '../seeded-random.ts';
import { FileSystemModel, step } from './filesystem-model.ts';
import { PowerCutError, SimulatedFileSystem } from './simulated-filesystem.ts';

const schedule = queueMicrotask;
const SEEDS = Array.from({ length: 300 }, (_, seed) => seed);

async function newFile(fs: SimulatedFileSystem, path: string, text = ''): Promise<File> {
  const file = await fs.open(path, 'create');
  await file.write([Buffer.from(text)], 0);
  await file.sync();
  await fs.syncDirectory(path.slice(0, path.lastIndexOf('/')));
  return file;
}

/** How often each outcome of a power cut came, over many seeds. */
async function outcomes(run: (seed: number) => Promise<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const seed of SEEDS) {
    const outcome = await run(seed);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

const names = (fs: SimulatedFileSystem): string =>
  fs
    .files()
    .map(({ path }) => path)
    .join(' ');

test('what was synced reads back identical after a power cut, whatever else was going on', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.array(step, { maxLength: 4 }),
      fc.nat(),
      fc.boolean(),
      async (steps, underWay, seed, anySubsetOfCreations) => {
        const fs = new SimulatedFileSystem({ schedule, anySubsetOfCreations });
        const model = new FileSystemModel(fs);
        await model.start();
        for (const each of steps) await model.run(each, true);
        model.checkSeen();
        for (const each of underWay) await model.run(each, false);
        compared += await model.checkFound(fs.crash(seededRandom(seed)));
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(compared > 500, `only ${compared} files were compared`);
});

test('an unsynced append survives whole, in part, or not at all, and never harms what was synced', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    const file = await newFile(fs, '/a', 'S'.repeat(700));
    for (let i = 0; i < 4; i++) await file.write([Buffer.alloc(700, 'abcd'[i])], 700 * (i + 1));
    const found = fs.crash(seededRandom(seed)).readWhole('/a');
    assert.equal(found.toString('latin1', 0, 700), 'S'.repeat(700));
    const whole = [1, 2, 3, 4].map((i) =>
      found.length < 700 * (i + 1) ? null : found.subarray(700 * i, 700 * (i + 1)),
    );
    const kept = whole.map((part, i) => (part?.every((byte) => byte === 97 + i) ? '+' : '-')).join('');
    return `${kept} ${found.length}`;
  });
  const kinds = [...counts.keys()];
  assert.ok(kinds.includes('++++ 3500'), 'all kept');
  assert.ok(kinds.includes('---- 700'), 'nothing kept');
  assert.ok(kinds.includes('---- 3500'), 'a size without its data');
  assert.ok(
    kinds.some((kind) => /-\+/.test(kind)),
    'out of order',
  );
  assert.ok(
    kinds.some((kind) => /^\+\+-- /.test(kind)),
    'a torn tail',
  );
});

test('what was to be written reads as zeros or garbage when only the size reached the disk', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    const file = await newFile(fs, '/a');
    await file.write([Buffer.alloc(2048, 'a')], 0);
    const found = fs.crash(seededRandom(seed)).readWhole('/a');
    if (found.length === 0 || found.every((byte) => byte === 97)) return 'clear';
    const lost = found.findIndex((byte) => byte !== 97);
    const isAtSector = lost % 512 === 0;
    const isZero = found.subarray(lost, lost + 8).every((byte) => byte === 0);
    return `${isZero ? 'zeros' : 'garbage'} ${isAtSector ? 'at a sector' : 'at a byte'}`;
  });
  for (const kind of ['zeros at a sector', 'zeros at a byte', 'garbage at a sector', 'garbage at a byte']) {
    assert.ok((counts.get(kind) ?? 0) > 0, `${kind}: ${JSON.stringify([...counts])}`);
  }
});

test('names that were not synced are kept up to a point, in order', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    for (const each of ['a', 'b', 'c']) await (await fs.open(`/${each}`, 'create')).sync();
    return names(fs.crash(seededRandom(seed)));
  });
  assert.deepEqual([...counts.keys()].sort(), ['', '/a', '/a /b', '/a /b /c']);
});

test('in the harsher mode any of the created names are kept', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule, anySubsetOfCreations: true });
    for (const each of ['a', 'b', 'c']) await fs.open(`/${each}`, 'create');
    return names(fs.crash(seededRandom(seed)));
  });
  assert.equal(counts.size, 8);
});

test('a rename has happened or not, and what was in the file depends on its own sync', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    await newFile(fs, '/a', 'old');
    const cleaned = await newFile(fs, '/a.cleaned');
    await cleaned.write([Buffer.from('new')], 0);
    if (seed % 2 === 0) await cleaned.sync();
    await fs.rename('/a.cleaned', '/a');
    const found = fs.crash(seededRandom(seed));
    const text = found.readWhole('/a').toString();
    if (seed % 2 === 1 && text !== 'old') return text === 'new' ? names(found) : 'damaged';
    return `${names(found)} ${text}`;
  });
  assert.deepEqual([...counts.keys()].sort(), ['/a', '/a /a.cleaned old', '/a new', 'damaged']);
});

test('a rename between directories never leaves a file in both or in neither', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    await fs.makeDirectory('/x');
    await fs.makeDirectory('/y');
    await fs.syncDirectory('/');
    await newFile(fs, '/x/f', 'f');
    await fs.open('/y/before', 'create');
    await fs.rename('/x/f', '/y/f');
    if (seed % 2 === 0) await fs.syncDirectory('/x');
    else await fs.open('/y/later', 'create');
    return `${seed % 2 === 0} ${names(fs.crash(seededRandom(seed)))}`;
  });
  assert.deepEqual([...counts.keys()].sort(), [
    'false /x/f',
    'false /x/f /y/before',
    'false /y/before /y/f',
    'false /y/before /y/f /y/later',
    'true /y/before /y/f',
  ]);
});

test('what was written after a cut does not get into the old content when the cut is forgotten', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    const file = await newFile(fs, '/a', 'old content');
    await file.truncate(2);
    await file.write([Buffer.from('NEW')], 2);
    const found = fs.crash(seededRandom(seed)).readWhole('/a').toString('latin1');
    return found.length === 5 && found !== 'olNEW' ? 'torn' : found;
  });
  assert.deepEqual([...counts.keys()].sort(), ['ol', 'olNEW', 'old content', 'torn']);
});

test('a removed file may be back after a power cut, with its content, until its directory is synced', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    await newFile(fs, '/a', 'content');
    await fs.remove('/a');
    if (seed % 2 === 0) await fs.syncDirectory('/');
    const found = fs.crash(seededRandom(seed));
    return `${seed % 2 === 0} ${found.files().length === 0 ? 'gone' : found.readWhole('/a')}`;
  });
  assert.deepEqual([...counts.keys()].sort(), ['false content', 'false gone', 'true gone']);
});

test('a sync of a directory does not save it if its own name was not synced', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    await fs.makeDirectory('/x');
    await newFile(fs, '/x/f', 'f');
    return names(fs.crash(seededRandom(seed)));
  });
  assert.deepEqual([...counts.keys()].sort(), ['', '/x/f']);
});

test('a sync covers the writes that were done when it was asked for, no others', async () => {
  const counts = await outcomes(async (seed) => {
    const runs: (() => void)[] = [];
    const fs = new SimulatedFileSystem({ schedule: (run) => runs.push(run) });
    const opened = fs.open('/a', 'create');
    runs.shift()?.();
    const file = await opened;
    const named = fs.syncDirectory('/');
    runs.shift()?.();
    await named;
    const write = file.write([Buffer.from('a')], 0);
    const sync = file.sync();
    runs.shift()?.();
    runs.shift()?.();
    await Promise.all([write, sync]);
    return fs.crash(seededRandom(seed)).readWhole('/a').toString('hex');
  });
  assert.ok(counts.has('') && counts.has('61'), JSON.stringify([...counts]));
});

test('a sync of a directory covers the names that were there when it was asked for, no others', async () => {
  const counts = await outcomes(async (seed) => {
    const runs: (() => void)[] = [];
    const fs = new SimulatedFileSystem({ schedule: (run) => runs.push(run) });
    fs.open('/a', 'create');
    runs.shift()?.();
    fs.open('/b', 'create');
    fs.syncDirectory('/');
    for (const run of runs) run();
    return names(fs.crash(seededRandom(seed)));
  });
  assert.deepEqual([...counts.keys()].sort(), ['/a', '/a /b']);
});

test('an operation under way at the power cut has happened or not, and rejects', async () => {
  const counts = await outcomes(async (seed) => {
    const runs: (() => void)[] = [];
    const fs = new SimulatedFileSystem({ schedule: (run) => runs.push(run) });
    const create = fs.open('/a', 'create');
    const synced = fs.syncDirectory('/');
    const found = fs.crash(seededRandom(seed));
    for (const run of runs) run();
    await assert.rejects(create, PowerCutError);
    await assert.rejects(synced, PowerCutError);
    return names(found);
  });
  assert.deepEqual([...counts.keys()].sort(), ['', '/a']);
});

test('after a power cut the old program can do nothing, and the new one everything', async () => {
  const fs = new SimulatedFileSystem();
  const file = await newFile(fs, '/a', 'text');
  const found = fs.crash(seededRandom(1));
  await assert.rejects(file.write([Buffer.from('x')], 0), PowerCutError);
  await assert.rejects(file.read(Buffer.alloc(1), 0), PowerCutError);
  await assert.rejects(file.sync(), PowerCutError);
  await assert.rejects(fs.open('/a', 'read'), { code: 'EIO' });
  await assert.rejects(fs.list('/'), PowerCutError);
  assert.throws(() => fs.crash(seededRandom(1)));
  const again = await found.open('/a', 'write');
  await again.write([Buffer.from('T')], 0);
  await again.sync();
  assert.equal(found.crash(seededRandom(2)).readWhole('/a').toString(), 'Text');
});

test('the same seed finds the same', async () => {
  const run = async (seed: number) => {
    const fs = new SimulatedFileSystem({ schedule });
    for (const name of ['a', 'b', 'c']) {
      const file = await fs.open(`/${name}`, 'create');
      for (let i = 0; i < 5; i++) await file.write([Buffer.alloc(600, i)], i * 600);
      file.sync().catch(() => {});
    }
    const found = fs.crash(seededRandom(seed));
    return found.files().map(({ path }) => [path, found.readWhole(path).toString('hex')]);
  };
  for (let seed = 0; seed < 20; seed++) assert.deepEqual(await run(seed), await run(seed));
});

test('a full volume takes what still fits, says ENOSPC, and goes on when there is space again', async () => {
  const fs = new SimulatedFileSystem({ schedule, capacityBytes: 10 });
  const file = await newFile(fs, '/a', '12345');
  assert.equal(await fs.freeBytes('/'), 5);
  await assert.rejects(file.write([Buffer.from('678'), Buffer.from('90ab')], 5), { code: 'ENOSPC' });
  assert.equal(fs.readWhole('/a').toString(), '1234567890');
  await file.write([Buffer.from('X')], 0);
  const other = await fs.open('/b', 'create');
  await assert.rejects(other.write([Buffer.from('b')], 0), { code: 'ENOSPC' });
  fs.capacityBytes = 11;
  await other.write([Buffer.from('b')], 0);
  assert.equal(await fs.freeBytes('/'), 0);
  await fs.remove('/a');
  assert.equal(await fs.freeBytes('/'), 0, 'it is still open');
  await file.close();
  assert.equal(await fs.freeBytes('/'), 10);
  await other.truncate(0);
  assert.equal(await fs.freeBytes('/'), 11);
  await other.sync();
  await fs.syncDirectory('/');
  assert.equal(await fs.crash(seededRandom(1)).freeBytes('/'), 11);
});

test('a failure on demand befalls the next such operation, on the path that was named, once', async () => {
  const fs = new SimulatedFileSystem({ schedule });
  const a = await newFile(fs, '/a', 'a');
  const b = await newFile(fs, '/b', 'b');
  fs.failNext('write', 'EIO', (path) => path === '/b');
  fs.failNext('rename', 'EACCES');
  await a.write([Buffer.from('A')], 0);
  await assert.rejects(b.write([Buffer.from('XY'), Buffer.from('Z1')], 0), { code: 'EIO' });
  assert.equal(fs.readWhole('/b').toString(), 'XY', 'the first half is written');
  await b.write([Buffer.from('B')], 0);
  await assert.rejects(fs.rename('/a', '/c'), { code: 'EACCES' });
  await fs.rename('/a', '/c');
  assert.equal(names(fs), '/b /c');
});

test('after a failed sync a later one promises nothing for what the first should have synced', async () => {
  const counts = await outcomes(async (seed) => {
    const fs = new SimulatedFileSystem({ schedule });
    const file = await newFile(fs, '/a', 'one');
    await file.write([Buffer.from('two')], 0);
    fs.failNext('sync', 'EIO');
    await assert.rejects(file.sync(), { code: 'EIO' });
    assert.equal(fs.readWhole('/a').toString(), 'two');
    await file.write([Buffer.from('+')], 3);
    await file.sync();
    return fs.crash(seededRandom(seed)).readWhole('/a').toString('latin1');
  });
  assert.ok(counts.has('one+') && counts.has('two+'), JSON.stringify([...counts]));
  for (const outcome of counts.keys()) assert.match(outcome, /^[one two]{3}\+$/);
});

test('a flipped bit is on the medium: it is read, and outlives a power cut', async () => {
  const fs = new SimulatedFileSystem({ schedule });
  await newFile(fs, '/a', 'aaa');
  fs.flipBit('/a', 1, 1);
  assert.equal(fs.readWhole('/a').toString(), 'aca');
  assert.equal(fs.crash(seededRandom(1)).readWhole('/a').toString(), 'aca');
  assert.throws(() => fs.flipBit('/none', 0, 0), { code: 'ENOENT' });
});
