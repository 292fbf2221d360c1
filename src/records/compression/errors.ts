/** What should be compressed data is not, or is more than it may be. */
export class CompressionError extends Error {
  readonly isTooLarge: boolean;

  constructor(message: string, isTooLarge = false) {
    super(message);
    this.name = 'CompressionError';
    this.isTooLarge = isTooLarge;
  }
}

export function tooLarge(bytesMax: number): CompressionError {
  return new CompressionError(`records that are larger than ${bytesMax} bytes when decompressed`, true);
}
