/** The end of the journal, where a snapshot is taken: that of what was appended, or of what was read so far. */
export interface JournalTip {
  /** What comes from now on is in the block that is returned, or behind it. */
  cut(): number;
  /** Resolves when everything before the call is safe. */
  flush(): Promise<void>;
  /** Bytes that are not safe yet. */
  readonly pendingBytes: number;
}
