/** A program that does random things in one directory, and knows what must be on disk. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { File } from '../../../src/log/files/filesystem.ts';
import type { SimulatedFileSystem } from './simulated-filesystem.ts';

const FILES = 4;
const file = fc.nat(FILES - 1);

/** Weighted so that at the end a file is often in sync, with the others in all states around it. */
export const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      file,
      position: fc.nat(3000),
      length: fc.integer({ min: 1, max: 2000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), file, length: fc.nat(3000) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('sync' as const), file }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('failing sync' as const), file }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('create' as const, 'remove' as const), file }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), file, to: file }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('sync directory' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface ModelFile {
  readonly handle: File;
  seen: Buffer;
  /** Null: not determined. */
  durable: Buffer | null;
  hasLostWrites: boolean;
}

export class FileSystemModel {
  readonly directory = 'data/log';
  readonly #fs: SimulatedFileSystem;
  readonly #files = new Map<string, ModelFile>();
  /** Null: not determined. */
  #durableNames: Map<string, ModelFile> | null = new Map();
  #fill = 0;

  constructor(fs: SimulatedFileSystem) {
    this.#fs = fs;
  }

  async start(): Promise<void> {
    await this.#fs.makeDirectory(this.directory);
    await this.#fs.syncDirectory('/');
    await this.#fs.syncDirectory('/data');
    for (let i = 0; i < FILES; i++) await this.run({ kind: 'create', file: i }, true);
    await this.run({ kind: 'sync directory' }, true);
  }

  /** Does a step, to its end or leaving it under way. */
  async run(step: Step, isToEnd: boolean): Promise<void> {
    const wait = async (promise: Promise<unknown>): Promise<void> => {
      if (isToEnd) await promise;
      else promise.catch(() => {});
    };
    if (step.kind === 'sync directory') {
      await wait(this.#fs.syncDirectory(this.directory));
      if (isToEnd) this.#durableNames = new Map(this.#files);
      return;
    }
    const name = String(step.file);
    const found = this.#files.get(name);
    if (step.kind === 'create') {
      if (found !== undefined || !isToEnd) return;
      const handle = await this.#fs.open(this.#path(name), 'create');
      this.#rename(() =>
        this.#files.set(name, {
          handle,
          seen: Buffer.alloc(0),
          durable: Buffer.alloc(0),
          hasLostWrites: false,
        }),
      );
      return;
    }
    if (found === undefined) return;
    switch (step.kind) {
      case 'write': {
        const data = Buffer.alloc(step.length, ++this.#fill);
        await wait(found.handle.write([data], step.position));
        change(found, Math.max(found.seen.length, step.position + data.length));
        data.copy(found.seen, step.position);
        return;
      }
      case 'truncate':
        await wait(found.handle.truncate(step.length));
        change(found, step.length);
        return;
      case 'sync':
        await wait(found.handle.sync());
        if (isToEnd && !found.hasLostWrites) found.durable = found.seen;
        return;
      case 'failing sync':
        this.#fs.failNext('sync', 'EIO');
        await assert.rejects(found.handle.sync(), { code: 'EIO' });
        found.hasLostWrites ||= found.durable === null;
        return;
      case 'remove':
        await wait(this.#fs.remove(this.#path(name)));
        this.#rename(() => this.#files.delete(name));
        return;
      case 'rename':
        if (step.to === step.file) return;
        await wait(this.#fs.rename(this.#path(name), this.#path(String(step.to))));
        this.#rename(() => this.#files.set(String(step.to), found).delete(name));
    }
  }

  checkSeen(): void {
    assert.deepEqual(
      this.#fs.files().map(({ path }) => path),
      [...this.#files.keys()].sort().map((name) => `/${this.#path(name)}`),
    );
    for (const [name, { seen }] of this.#files) assert.deepEqual(this.#fs.readWhole(this.#path(name)), seen);
  }

  /** Answers how many files could be compared. */
  async checkFound(after: SimulatedFileSystem): Promise<number> {
    if (this.#durableNames === null) return 0;
    assert.deepEqual(await after.list(this.directory), [...this.#durableNames.keys()].sort());
    let compared = 0;
    for (const [name, { durable }] of this.#durableNames) {
      if (durable === null) continue;
      assert.deepEqual(after.readWhole(this.#path(name)), durable);
      compared++;
    }
    return compared;
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }

  #rename(change: () => void): void {
    change();
    this.#durableNames = null;
  }
}

function change(file: ModelFile, size: number): void {
  const next = Buffer.alloc(size);
  file.seen.copy(next);
  file.seen = next;
  file.durable = null;
}
