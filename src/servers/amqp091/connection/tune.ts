import { FRAME_MAX_MIN } from '../../../wire/amqp091/constants.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import { AmqpError } from '../errors.ts';
import type { Settings } from '../options.ts';

/** What tune and tune-ok agreed to (AMQP 1.4.2.5). Frame-max and channel-max are never 0, which would mean no limit. */
export interface Tuning {
  readonly channelMax: number;
  readonly frameMax: number;
  readonly heartbeatSeconds: number;
}

/** As in RabbitMQ, the client may lower frame-max and channel-max, and sets the heartbeat interval (0: none). */
export function negotiate(settings: Settings, tuneOk: MethodOf<'connection.tune-ok'>): Tuning {
  const { channelMax, frameMax, heartbeat } = tuneOk;
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
