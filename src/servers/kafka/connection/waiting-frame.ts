/** A request that cannot begin yet, in `bytes[start, end)`: memory that nobody else uses. */
export interface WaitingFrame {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export function copyOf(bytes: Buffer, start: number, end: number): WaitingFrame {
  return { bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start };
}
