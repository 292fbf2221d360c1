import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { type BatchDemands, type ValidatedBatch, validateRecords } from '../batch-validation.ts';
import { compress, decompress } from '../compression/compression.ts';
import { CompressionError } from '../compression/errors.ts';
import { type Job, type Outcome, ownBuffer, type ValidatedCopy } from './jobs.ts';

/*
 * The thread that decompresses, validates and compresses what is too large for the event loop, one job after the other.
 */
if (parentPort === null) throw new Error('records-thread.ts is the program of a worker thread');
const port = parentPort;
// Linux has a priority for each thread: the event loop has the processor before this one.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

port.on('message', (job: Job) => {
  const transfer: ArrayBuffer[] = [];
  const outcome = run(job, transfer);
  port.postMessage(outcome, transfer);
});

function run(job: Job, transfer: ArrayBuffer[]): Outcome {
  if (job.kind === 'validate') return validateAll(job, transfer);
  try {
    const source = Buffer.from(job.bytes);
    const result =
      job.kind === 'open'
        ? decompress(job.compression, source, job.bytesMax)
        : compress(job.compression, source);
    const bytes = ownBuffer(result);
    transfer.push(bytes);
    return { id: job.id, bytes };
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    return { id: job.id, refusal: error.message };
  }
}

function validateAll(
  { id, batches, openedBytesMax, openedBytesLeft }: Job & { readonly kind: 'validate' },
  transfer: ArrayBuffer[],
): Outcome {
  let left = openedBytesLeft;
  const copies = batches.map(({ bytes, demands }): ValidatedCopy => {
    const validated = validate(Buffer.from(bytes), demands, left, openedBytesMax);
    left = Math.max(0, left - validated.openedBytes);
    const { fault, hasEnvelope, recompressed } = validated;
    const own = recompressed === null ? null : ownBuffer(recompressed);
    transfer.push(bytes);
    if (own !== null) transfer.push(own);
    return { bytes, fault, hasEnvelope, recompressed: own };
  });
  return { id, batches: copies, openedBytes: openedBytesLeft - left };
}

function validate(
  batch: Buffer,
  demands: BatchDemands,
  left: number,
  openedBytesMax: number,
): ValidatedBatch {
  try {
    return validateRecords(batch, 0, batch.length, demands, left);
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    const text = `the batches of this request are larger than ${openedBytesMax} bytes together when decompressed`;
    const fault = { reason: 'too-large' as const, text, records: [] };
    return { fault, hasEnvelope: false, recompressed: null, openedBytes: left };
  }
}
