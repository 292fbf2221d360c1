/** A piece of the journal in memory: a whole file, or what came of a replicated log at once. */
export interface JournalImage {
  readonly buffer: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  /** Where it is from, for who reads an error. */
  readonly path: string;
}

/** The block headers that a scan needs. */
export interface Block {
  readonly at: number;
  readonly length: number;
  readonly number: number;
  readonly epoch: number;
}

/** Blocks that follow each other, and those of the run before. */
export interface Run {
  readonly image: JournalImage;
  readonly blocks: readonly Block[];
  /** Set by whoever keeps the messages: they are in a chunk of this generation. */
  generation: number;
}

/** The journal from a position on, as it is read. */
export interface JournalSource {
  /** One at a time: the next is read when this one is done with. Ends where the journal does; a replicated log has no end of its own. */
  runs(): AsyncIterable<Run>;
}
