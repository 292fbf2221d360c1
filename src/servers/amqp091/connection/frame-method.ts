import { methodId } from '../../../wire/amqp091/methods.ts';

/** The methods that a connection looks at itself, by class and method id. */
export const CHANNEL_OPEN = methodId('channel.open');
export const CHANNEL_CLOSE = methodId('channel.close');
export const CHANNEL_CLOSE_OK = methodId('channel.close-ok');
export const TX_COMMIT = methodId('tx.commit');
export const CONNECTION_CLOSE = methodId('connection.close');
export const CONNECTION_CLOSE_OK = methodId('connection.close-ok');

/** Class and method id of a method frame's payload; 0, which is no method, if it is too short. */
export function frameMethod(bytes: Buffer, start: number, end: number): number {
  if (end - start < 4) return 0;
  return (bytes[start] << 24) | (bytes[start + 1] << 16) | (bytes[start + 2] << 8) | bytes[start + 3];
}
