import { FRAME_MAX_MIN } from '../../../wire/amqp091/constants.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import { AmqpError } from '../errors.ts';
import type { Settings } from '../options.ts';

/** What both sides agreed to. Of frame-max and channel-max 0 would mean no limit; we never offer that. */
export interface Tuning {
  readonly channelMax: number;
  readonly frameMax: number;
  readonly heartbeatSeconds: number;
}

/** RabbitMQ's rules: the client may only go below what we offered; of heartbeats its word counts. */
export function negotiate(settings: Settings, answer: MethodOf<'connection.tune-ok'>): Tuning {
  const { channelMax, frameMax, heartbeat } = answer;
  check('frame_max', frameMax, FRAME_MAX_MIN, settings.frameMaxBytes);
  check('channel_max', channelMax, 1, settings.channelMax);
  return { channelMax, frameMax, heartbeatSeconds: heartbeat };
}

function check(field: string, value: number, min: number, max: number): void {
  if (value !== 0 && value < min) {
    throw new AmqpError(
      'NOT_ALLOWED',
      `negotiated ${field} = ${value} is lower than the minimum allowed value (${min})`,
    );
  }
  if (value === 0 || value > max) {
    throw new AmqpError(
      'NOT_ALLOWED',
      `negotiated ${field} = ${value} is higher than the maximum allowed value (${max})`,
    );
  }
}
