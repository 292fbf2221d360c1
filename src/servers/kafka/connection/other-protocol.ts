import type { Socket } from 'node:net';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { FrameLengthError } from '../../../wire/kafka/frame-reader.ts';
import { answerTo, recogniseFrom, wrongPort } from '../../listener/first-bytes.ts';

/**
 * A first frame of an impossible length is what other protocols begin with. Tells the client so where its protocol can,
 * and returns an error that says which it was; any other error as it is.
 */
export function explainedToOtherClient(error: unknown, chunk: Buffer, socket: Socket): unknown {
  if (!(error instanceof FrameLengthError)) return error;
  const speaks = recogniseFrom(error.lengthBytes, chunk);
  if (speaks === null) return error;
  const reason = wrongPort(speaks, 'kafka');
  const answer = answerTo(speaks, reason);
  if (answer !== null) socket.write(answer);
  return new KafkaWireError(reason);
}
