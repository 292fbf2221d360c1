import { KafkaWireError } from '../../../wire/kafka/errors.ts';

/** Of a request that is not Produce. Kafka has one limit for all; no client comes near this one. */
export const BODY_BYTES_MAX = 16 * 1024 * 1024;

export function tooLarge(bytes: number): KafkaWireError {
  return new KafkaWireError(`a request of ${bytes} bytes is larger than the ${BODY_BYTES_MAX} for its kind`);
}
