/**
 * The content of one simulated file: what a reader sees, and of every change since the last sync how to take it
 * back. A power cut takes all of them back, newest first, and then applies again what it pleases.
 *
 *                 durable                      seen by readers
 *     image  [ ............... ]  + changes  = [ ..............xxxxxxxx ]
 *
 * One image with an undo list, because most writes of a broker append: they have nothing to undo but the size.
 */

/** The unit that a disk writes whole or not at all, as it promises. */
const SECTOR_BYTES = 512;
const CAPACITY_BYTES_MIN = 512;

export type Random = () => number;

interface Change {
  readonly kind: 'write' | 'truncate';
  readonly sequence: number;
  /** Where the write begins, or the length that the file is cut or extended to. */
  readonly position: number;
  /** Of the write. */
  readonly length: number;
  readonly sizeBefore: number;
  /** The bytes that were overwritten or cut off. */
  readonly before: Buffer;
  /**
   * `lost`: a sync failed. The system has forgotten that the pages are dirty, so no later sync will write them,
   * although a reader still sees them. `synced`: on disk, but kept here since a lost one comes before it.
   */
  state: 'pending' | 'lost' | 'synced';
}

/** What a power cut does to the changes of one file. */
interface Fate {
  /** The file's size is that after so many changes; the rest never reached its inode. */
  readonly sizesKept: number;
  /** The share of the index-th change's data that is on disk. */
  dataKept(index: number): 'all' | 'none' | 'some sectors' | 'some bytes';
  fillUnwritten(target: Buffer): void;
}

const NOTHING = Buffer.alloc(0);

export class SimulatedContent {
  size = 0;
  #image = NOTHING;
  #changes: Change[] = [];
  #nextSequence = 0;
  /** How often something could not be written back: each handle is told once (`simulated-file.ts`). */
  writebackErrors = 0;

  /** All changes made so far have a smaller number. */
  get mark(): number {
    return this.#nextSequence;
  }

  get hasUnsynced(): boolean {
    return this.#changes.length > 0;
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    if (end <= position) return 0;
    into.set(this.#image.subarray(position, end));
    return end - position;
  }

  /** Writes the first `length` bytes of the buffers; the change has the number that `mark` had before. */
  write(buffers: readonly Uint8Array[], position: number, length: number): void {
    if (length === 0) return;
    this.#note('write', position, length, this.#copy(position, position + length));
    this.#extend(Math.max(this.size, position + length));
    let at = position;
    for (const buffer of buffers) {
      const count = Math.min(buffer.length, position + length - at);
      this.#image.set(count === buffer.length ? buffer : buffer.subarray(0, count), at);
      at += count;
    }
  }

  truncate(length: number): void {
    this.#note('truncate', length, 0, this.#copy(length, this.size));
    this.#resize(length);
  }

  /** The changes before the mark are on disk. */
  markSynced(mark: number): void {
    this.#markSynced(0, mark);
  }

  /** One change alone, as a write does that is synced by itself; those before it may be pending. */
  markOneSynced(sequence: number): void {
    this.#markSynced(sequence, sequence + 1);
  }

  #markSynced(from: number, to: number): void {
    for (const change of this.#changes) {
      if (change.sequence >= to) break;
      if (change.sequence >= from && change.state === 'pending') change.state = 'synced';
    }
    const firstKept = this.#changes.findIndex((change) => change.state !== 'synced');
    this.#changes = firstKept === -1 ? [] : this.#changes.slice(firstKept);
  }

  /** A sync of the changes before the mark has failed. */
  markLost(mark: number): void {
    this.#markLost(0, mark);
  }

  markOneLost(sequence: number): void {
    this.#markLost(sequence, sequence + 1);
  }

  #markLost(from: number, to: number): void {
    this.writebackErrors++;
    for (const change of this.#changes) {
      const isMeant = change.sequence >= from && change.sequence < to;
      if (isMeant && change.state === 'pending') change.state = 'lost';
    }
  }

  /** On the medium: neither a change nor a sync. */
  flipBit(byteOffset: number, bit: number): void {
    if (byteOffset >= this.size) throw new RangeError(`byte ${byteOffset} of a file of ${this.size} bytes`);
    this.#image[byteOffset] ^= 1 << bit;
  }

  /** Turns this into the content that is found after a power cut. */
  cutPower(random: Random): void {
    const changes = this.#changes;
    if (changes.length === 0) return;
    const written = new Array<Buffer>(changes.length);
    for (let i = changes.length - 1; i >= 0; i--) written[i] = this.#takeBack(changes[i]);
    this.#changes = [];

    const fate = chooseFate(changes.length, random);
    // Where a file was cut, what came after lies in other blocks; they are not the file's if the cut was forgotten.
    let forgottenCut = Number.POSITIVE_INFINITY;
    for (let i = 0; i < changes.length; i++) {
      const { kind, state, position } = changes[i];
      const isSizeKept = state === 'synced' || i < fate.sizesKept;
      if (kind === 'truncate') {
        if (isSizeKept) this.#resize(position);
        else forgottenCut = Math.min(forgottenCut, position);
        continue;
      }
      if (isSizeKept) this.#extend(position + written[i].length, position, fate);
      const end = isSizeKept ? this.size : Math.min(this.size, forgottenCut);
      if (end <= position) continue;
      const data = written[i].subarray(0, end - position);
      if (state === 'synced') this.#image.set(data, position);
      else this.#writePart(data, position, fate.dataKept(i), random);
    }
  }

  #note(kind: Change['kind'], position: number, length: number, before: Buffer): void {
    const sequence = this.#nextSequence++;
    this.#changes.push({ kind, sequence, position, length, sizeBefore: this.size, before, state: 'pending' });
  }

  #copy(from: number, to: number): Buffer {
    const end = Math.min(to, this.size);
    return end <= from ? NOTHING : Buffer.from(this.#image.subarray(from, end));
  }

  /** Answers the bytes that the change had written. */
  #takeBack({ kind, position, length, sizeBefore, before }: Change): Buffer {
    const written = kind === 'write' ? this.#copy(position, position + length) : NOTHING;
    this.#resize(sizeBefore);
    if (before.length > 0) this.#image.set(before, position);
    return written;
  }

  #resize(size: number): void {
    if (size < this.size) this.size = size;
    else this.#extend(size);
  }

  /**
   * Holes read as zeros. After a power cut so may, or may not, what was to be written from `written` on, if the
   * size reached the disk and the data did not.
   */
  #extend(size: number, written = size, fate: Fate | null = null): void {
    if (size <= this.size) return;
    if (size > this.#image.length) {
      const image = Buffer.allocUnsafe(Math.max(CAPACITY_BYTES_MIN, size, 2 * this.#image.length));
      this.#image.copy(image, 0, 0, this.size);
      this.#image = image;
    }
    this.#image.fill(0, this.size, size);
    fate?.fillUnwritten(this.#image.subarray(Math.max(this.size, written), size));
    this.size = size;
  }

  #writePart(data: Buffer, position: number, kept: ReturnType<Fate['dataKept']>, random: Random): void {
    switch (kept) {
      case 'none':
        return;
      case 'all':
        this.#image.set(data, position);
        return;
      case 'some bytes': {
        const from = random() < 0.5 ? 0 : Math.floor(random() * data.length);
        const to = from + 1 + Math.floor(random() * (data.length - from));
        this.#image.set(data.subarray(from, to), position + from);
        return;
      }
      case 'some sectors':
        for (let from = 0; from < data.length; ) {
          const to = Math.min(data.length, from + SECTOR_BYTES - ((position + from) % SECTOR_BYTES));
          if (random() < 0.5) this.#image.set(data.subarray(from, to), position + from);
          from = to;
        }
    }
  }
}

function chooseFate(count: number, random: Random): Fate {
  const kind = random();
  const fillUnwritten = random() < 0.5 ? () => {} : (target: Buffer) => fillWithGarbage(target, random);
  if (kind < 0.15) return { sizesKept: 0, dataKept: () => 'none', fillUnwritten };
  if (kind < 0.25) return { sizesKept: count, dataKept: () => 'all', fillUnwritten };
  if (kind < 0.5) {
    // All up to one change, which is torn: what an append-only file sees most often.
    const torn = Math.floor(random() * count);
    const how = random() < 0.5 ? 'some bytes' : 'some sectors';
    const dataKept = (i: number) => (i < torn ? 'all' : i === torn ? how : 'none');
    return { sizesKept: torn + (random() < 0.8 ? 1 : 0), dataKept, fillUnwritten };
  }
  const sizesKept = random() < 0.5 ? count : Math.floor(random() * (count + 1));
  const dataKept = () => {
    const share = random();
    return share < 0.4 ? 'all' : share < 0.65 ? 'none' : share < 0.85 ? 'some sectors' : 'some bytes';
  };
  return { sizesKept, dataKept, fillUnwritten };
}

function fillWithGarbage(target: Buffer, random: Random): void {
  let state = Math.floor(random() * 0xffffffff) | 1;
  for (let i = 0; i < target.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    target[i] = state;
  }
}
