/** The bytes of the entries of an outbox that are not settled, by id: a ring of numbers. */
export class EntrySizes {
  /** Of all of them. */
  total = 0;
  #sizes = new Uint32Array(64);
  #start: number;
  #end: number;

  /** The first id. */
  constructor(start: number) {
    this.#start = start;
    this.#end = start;
  }

  push(bytes: number): void {
    if (this.#end - this.#start === this.#sizes.length) this.#resize(this.#sizes.length * 2);
    this.#sizes[this.#end++ & (this.#sizes.length - 1)] = bytes;
    this.total += bytes;
  }

  of(id: number): number {
    return id < this.#start || id >= this.#end ? 0 : this.#sizes[id & (this.#sizes.length - 1)];
  }

  /** Of the ids from `from` to below `to`. */
  sum(from: number, to: number): number {
    let sum = 0;
    for (let id = from; id < to; id++) sum += this.of(id);
    return sum;
  }

  /** Those below this id are settled. */
  dropBelow(id: number): void {
    const end = Math.min(id, this.#end);
    for (; this.#start < end; this.#start++) this.total -= this.of(this.#start);
    if (this.#start < id) {
      this.#start = id;
      this.#end = id;
    }
    const used = this.#end - this.#start;
    if (this.#sizes.length > 1024 && used * 8 < this.#sizes.length) this.#resize(this.#sizes.length / 4);
  }

  #resize(length: number): void {
    const sizes = new Uint32Array(length);
    for (let id = this.#start; id < this.#end; id++) sizes[id & (length - 1)] = this.of(id);
    this.#sizes = sizes;
  }
}
