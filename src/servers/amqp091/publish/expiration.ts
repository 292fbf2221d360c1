import { AmqpError } from '../errors.ts';

/** What RabbitMQ 3.10 takes, in milliseconds: 10 years of 365 days. */
const EXPIRATION_MS_MAX = 315_360_000_000;
/** What the envelope of a message can say. */
const TTL_MS_MAX = 0xffffffff;

/**
 * The property `expiration`, a short string whose length octet is at `at`: how long the message may wait, in
 * milliseconds. Beyond the 49 days that an envelope can say, it is as good as none (-1): to end early would lose messages.
 */
export function parseExpiration(bytes: Buffer, at: number): number {
  const length = bytes[at];
  let milliseconds = 0;
  // Nine digits are 11 days; and nearly all that is ever sent.
  if (length === 0 || length > 9) return parseUnusual(bytes, at);
  for (let i = at + 1; i <= at + length; i++) {
    const digit = bytes[i] - 0x30;
    if (!(digit >= 0 && digit <= 9)) return parseUnusual(bytes, at);
    milliseconds = milliseconds * 10 + digit;
  }
  return milliseconds;
}

function parseUnusual(bytes: Buffer, at: number): number {
  const text = bytes.toString('utf8', at + 1, at + 1 + bytes[at]);
  const number = /^[+-]?[0-9]+/.exec(text)?.[0];
  if (number === undefined) throw invalid(text, 'no_integer');
  const rest = text.slice(number.length);
  if (rest !== '') throw invalid(text, `{leftover_string,"${rest}"}`);
  const milliseconds = Number(number);
  if (milliseconds < 0) throw invalid(text, `{value_negative,${BigInt(number)}}`);
  if (milliseconds > EXPIRATION_MS_MAX) throw invalid(text, `{value_too_large,${BigInt(number)}}`);
  return milliseconds > TTL_MS_MAX ? -1 : milliseconds;
}

/** As RabbitMQ words it. */
function invalid(text: string, reason: string): AmqpError {
  return new AmqpError('PRECONDITION_FAILED', `invalid expiration '${text}': ${reason}`);
}
