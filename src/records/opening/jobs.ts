import type { BatchDemands, RecordsFault } from '../batch-validation.ts';

/** What the thread for large batches is asked to do (records-thread.ts). Buffers change hands and are not copied. */
export type Job =
  | {
      readonly kind: 'validate';
      readonly id: number;
      readonly batches: readonly { readonly bytes: ArrayBuffer; readonly demands: BatchDemands }[];
      /** All batches of the request may be decompressed to so many bytes, and what is left of that for these. */
      readonly openedBytesMax: number;
      readonly openedBytesLeft: number;
    }
  | {
      readonly kind: 'open';
      readonly id: number;
      /** Compressed records. */
      readonly bytes: ArrayBuffer;
      readonly compression: number;
      readonly bytesMax: number;
    }
  | {
      readonly kind: 'compress';
      readonly id: number;
      readonly bytes: ArrayBuffer;
      readonly compression: number;
    };

/** As ValidatedBatch, with the batch that was sent. */
export interface ValidatedCopy {
  readonly bytes: ArrayBuffer;
  readonly fault: RecordsFault | null;
  readonly hasEnvelope: boolean;
  readonly recompressed: ArrayBuffer | null;
}

export type Outcome =
  | { readonly id: number; readonly batches: readonly ValidatedCopy[]; readonly openedBytes: number }
  | { readonly id: number; readonly bytes: ArrayBuffer }
  /** The bytes are not what they should be. */
  | { readonly id: number; readonly refusal: string };

/** The bytes as an ArrayBuffer that has nothing else in it, and can be given away: a copy, unless they are one already. */
export function ownBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength) return buffer;
  const own = new ArrayBuffer(byteLength);
  bytes.copy(new Uint8Array(own));
  return own;
}
