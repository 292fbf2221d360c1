/**
 * The file-system port in memory, for what the real disk does not do on demand: the power is cut at any instant,
 * the volume is full, a call fails, a bit flips.
 *
 * After a power cut there is all that was synced, and of the rest what POSIX allows and journaling file systems do:
 *  - of a file's unsynced writes any part, in any order, torn at sectors or bytes; its size grown or not, and what
 *    was not written then reads as zeros or as garbage (`simulated-content.ts`);
 *  - of a directory's unsynced creations, renames and removals the first so many, a rename wholly or not at all.
 *    A file's sync says nothing about its name: that takes a sync of the directory, and of those above;
 *  - operations under way have happened, or not.
 *
 * Paths with and without a leading '/' are the same. Given the same `random`, and a `schedule` that depends on
 * nothing else, everything here is reproducible.
 */
import type { File, FileSystem } from '../../../src/log/files/filesystem.ts';
import { systemError } from '../../../src/log/files/system-error.ts';
import { type Random, SimulatedContent } from './simulated-content.ts';
import { type Operation, SimulatedFile, type SimulatedFileHost } from './simulated-file.ts';
import {
  checkRename,
  type Directory,
  type FileNode,
  type Node,
  newDirectory,
  PendingNames,
  parsePath,
} from './simulated-names.ts';

export interface SimulationOptions {
  /** Runs what is given to it later, and thereby completes one operation. Default: setImmediate. */
  readonly schedule?: (run: () => void) => void;
  /** Writes beyond it fail with ENOSPC, having written what still fitted. Default: no limit. */
  readonly capacityBytes?: number;
  /** Harsher than journaling file systems are: of the unsynced creations any survive, not the first ones. */
  readonly anySubsetOfCreations?: boolean;
}

/** What an operation of a program rejects with when the power has been cut under it. */
export class PowerCutError extends Error {
  readonly code = 'EIO';

  constructor() {
    super('EIO: the power was cut');
    this.name = 'PowerCutError';
  }
}

interface Fault {
  readonly operation: Operation;
  readonly code: string;
  readonly matches: (path: string) => boolean;
}

interface OperationUnderWay {
  readonly effect: () => unknown;
}

export class SimulatedFileSystem implements FileSystem {
  /** May be changed at any time. */
  capacityBytes: number;
  readonly #options: SimulationOptions;
  readonly #schedule: (run: () => void) => void;
  #names = new PendingNames();
  readonly #underWay = new Set<OperationUnderWay>();
  readonly #faults: Fault[] = [];
  readonly #fileHost: SimulatedFileHost = {
    start: (operation, path, effect, worst) => this.#start(operation, path, effect, worst),
    free: () => this.#free(),
    resized: (byBytes) => {
      this.#usedBytes += byBytes;
    },
    released: (node) => this.#released(node),
  };
  #root = newDirectory();
  #usedBytes = 0;
  #isDead = false;

  constructor(options: SimulationOptions = {}) {
    this.#options = options;
    this.#schedule = options.schedule ?? setImmediate;
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  }

  open(
    path: string,
    mode: 'create' | 'write' | 'read',
    { writeThrough = false }: { writeThrough?: boolean } = {},
  ): Promise<File> {
    return this.#start('open', path, () => {
      const { parent, name } = this.#locate('open', path);
      const found = parent.entries.get(name);
      if (mode !== 'create') {
        if (found === undefined) throw systemError('ENOENT', 'open', path);
        if (found.kind === 'directory') throw systemError('EISDIR', 'open', path);
        return new SimulatedFile(this.#fileHost, path, found, mode === 'write', writeThrough);
      }
      if (found !== undefined) throw systemError('EEXIST', 'open', path);
      const node: FileNode = { kind: 'file', content: new SimulatedContent(), isLinked: true, handles: 0 };
      this.#names.change('create', [{ directory: parent, name, node }]);
      return new SimulatedFile(this.#fileHost, path, node, true, writeThrough);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#start('list', directory, () => {
      const found = this.#find('list', directory);
      if (found === undefined) return [];
      if (found.kind === 'file') throw systemError('ENOTDIR', 'list', directory);
      return [...found.entries.keys()].sort();
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#start('makeDirectory', path, () => {
      let directory = this.#root;
      const names = parsePath(path);
      for (const [depth, name] of names.entries()) {
        let next = directory.entries.get(name);
        if (next?.kind === 'file') {
          throw systemError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'makeDirectory', path);
        }
        if (next === undefined) {
          next = newDirectory();
          this.#names.change('create', [{ directory, name, node: next }]);
        }
        directory = next;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#start('rename', from, () => {
      const source = this.#locate('rename', from);
      const target = this.#locate('rename', to);
      const node = source.parent.entries.get(source.name);
      if (node === undefined) throw systemError('ENOENT', 'rename', from);
      const replaced = target.parent.entries.get(target.name);
      if (replaced === node) return;
      checkRename(node, replaced, target.parent, from);
      this.#names.change('rename', [
        { directory: source.parent, name: source.name, node: null },
        { directory: target.parent, name: target.name, node },
      ]);
      if (replaced?.kind === 'file') this.#unlinked(replaced);
    });
  }

  remove(path: string): Promise<void> {
    return this.#start('remove', path, () => {
      const names = parsePath(path);
      const name = names.pop();
      const parent = this.#walk(names);
      if (name === undefined) throw systemError('EBUSY', 'remove', path);
      if (parent?.kind === 'directory') this.#removeEntry(parent, name);
    });
  }

  syncDirectory(path: string): Promise<void> {
    const mark = this.#names.mark;
    return this.#start('syncDirectory', path, () => {
      const directory = this.#find('syncDirectory', path);
      if (directory === undefined) throw systemError('ENOENT', 'syncDirectory', path);
      if (directory.kind === 'directory') this.#names.sync(directory, mark);
    });
  }

  freeBytes(path: string): Promise<number> {
    return this.#start('freeBytes', path, () => {
      if (this.#find('freeBytes', path) === undefined) throw systemError('ENOENT', 'freeBytes', path);
      return this.#free();
    });
  }

  /**
   * Cuts the power. This file system and its files are dead from now on, and reject everything; the answer is what
   * the next start finds, with the same options and capacity.
   */
  crash(random: Random): SimulatedFileSystem {
    const found = this.#successor(random);
    found.#names = new PendingNames();
    this.#names.cutPower(random, this.#options.anySubsetOfCreations ?? false);
    found.#startAfterPowerCut(found.#root, random);
    return found;
  }

  /**
   * Kills the process that uses this file system, which is dead from now on. The answer is what the next process finds:
   * all that was written, synced or not, since the system goes on.
   */
  kill(random: Random): SimulatedFileSystem {
    const found = this.#successor(random);
    found.#forgetHandles(found.#root);
    return found;
  }

  /**
   * The next such operation (on a path that matches) does its worst and rejects: a write has written the first half
   * of its bytes; after a failed sync what it should have synced may never reach the disk, whatever later syncs
   * say, although it can be read; everything else has done nothing. May be called several times, for several failures.
   */
  failNext(operation: Operation, code: string, matches: (path: string) => boolean = () => true): void {
    this.#faults.push({ operation, code, matches });
  }

  /** Damages the medium; bit 0 is the lowest. */
  flipBit(path: string, byteOffset: number, bit: number): void {
    this.#file(path).content.flipBit(byteOffset, bit);
  }

  /** All files, sorted by path; paths begin with '/'. */
  files(): { readonly path: string; readonly size: number }[] {
    const found: { path: string; size: number }[] = [];
    const visit = (directory: Directory, prefix: string): void => {
      for (const [name, node] of directory.entries) {
        if (node.kind === 'directory') visit(node, `${prefix}${name}/`);
        else found.push({ path: prefix + name, size: node.content.size });
      }
    };
    visit(this.#root, '/');
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** A copy of what a reader would see. */
  readWhole(path: string): Buffer {
    const { content } = this.#file(path);
    const whole = Buffer.allocUnsafe(content.size);
    content.read(whole, 0);
    return whole;
  }

  /** `effect` happens when the scheduler says so; `worst` is what happens instead of it if the operation must fail. */
  #start<T>(operation: Operation, path: string, effect: () => T, worst: () => void = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const fault = this.#takeFault(operation, path);
      const failing = (): T => {
        worst();
        throw systemError(fault ?? 'EIO', operation, path);
      };
      const underWay = { effect: fault === null ? effect : failing };
      if (!this.#isDead) this.#underWay.add(underWay);
      this.#schedule(() => {
        // Not there any more: the power was cut while it was under way.
        if (!this.#underWay.delete(underWay)) {
          reject(new PowerCutError());
          return;
        }
        try {
          resolve(underWay.effect());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #takeFault(operation: Operation, path: string): string | null {
    const index = this.#faults.findIndex((fault) => fault.operation === operation && fault.matches(path));
    return index === -1 ? null : this.#faults.splice(index, 1)[0].code;
  }

  #walk(names: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of names) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #find(operation: Operation, path: string): Node | undefined {
    const names = parsePath(path);
    if (this.#walk(names.slice(0, -1))?.kind === 'file') {
      throw systemError('ENOTDIR', operation, path);
    }
    return this.#walk(names);
  }

  /** Where the path's last name is, or would be. */
  #locate(operation: Operation, path: string): { readonly parent: Directory; readonly name: string } {
    const names = parsePath(path);
    const name = names.pop();
    if (name === undefined) throw systemError('EISDIR', operation, path);
    const parent = this.#walk(names);
    if (parent === undefined) throw systemError('ENOENT', operation, path);
    if (parent.kind === 'file') throw systemError('ENOTDIR', operation, path);
    return { parent, name };
  }

  #file(path: string): FileNode {
    const found = this.#walk(parsePath(path));
    if (found?.kind !== 'file') throw systemError('ENOENT', 'open', path);
    return found;
  }

  #removeEntry(parent: Directory, name: string): void {
    const node = parent.entries.get(name);
    if (node === undefined) return;
    if (node.kind === 'directory')
      for (const child of [...node.entries.keys()]) this.#removeEntry(node, child);
    this.#names.change('remove', [{ directory: parent, name, node: null }]);
    if (node.kind === 'file') this.#unlinked(node);
  }

  #unlinked(node: FileNode): void {
    node.isLinked = false;
    this.#released(node);
  }

  /** A file takes space until it has neither a name nor a handle. */
  #released(node: FileNode): void {
    if (!node.isLinked && node.handles === 0) this.#usedBytes -= node.content.size;
  }

  /** With operations under way done or not. */
  #successor(random: Random): SimulatedFileSystem {
    if (this.#isDead) throw new Error('The power was cut before.');
    const underWay = [...this.#underWay];
    this.#underWay.clear();
    this.#faults.length = 0;
    for (const { effect } of underWay) {
      if (random() < 0.5) continue;
      try {
        effect();
      } catch {
        // Nobody is left to be told.
      }
    }
    this.#isDead = true;
    const found = new SimulatedFileSystem({ ...this.#options, capacityBytes: this.capacityBytes });
    found.#root = this.#root;
    found.#names = this.#names;
    return found;
  }

  #free(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  #startAfterPowerCut(directory: Directory, random: Random): void {
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') this.#startAfterPowerCut(node, random);
      else node.content.cutPower(random);
    }
    if (directory === this.#root) this.#forgetHandles(directory);
  }

  #forgetHandles(directory: Directory): void {
    for (const node of directory.entries.values()) {
      if (node.kind === 'directory') {
        this.#forgetHandles(node);
        continue;
      }
      node.isLinked = true;
      node.handles = 0;
      this.#usedBytes += node.content.size;
    }
  }
}
