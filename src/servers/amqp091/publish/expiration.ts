import { AmqpError } from '../errors.ts';

/** RabbitMQ's limit: 10 years of 365 days. */
const EXPIRATION_MS_MAX = 315_360_000_000;
/** The envelope of a record has the time to live as u32 (records/record-content.ts). */
const TTL_MS_MAX = 0xffffffff;

/**
 * The property `expiration`, a short string whose length octet is at `at`: the per-message TTL in milliseconds. Beyond
 * the 49 days that an envelope has room for it is -1, no TTL: a shorter one would lose messages.
 */
export function parseExpiration(bytes: Buffer, at: number): number {
  const length = bytes[at];
  let milliseconds = 0;
  // Nine digits are 11 days: nearly every TTL in use.
  if (length === 0 || length > 9) return parseByRegularExpression(bytes, at);
  for (let i = at + 1; i <= at + length; i++) {
    const digit = bytes[i] - 0x30;
    if (!(digit >= 0 && digit <= 9)) return parseByRegularExpression(bytes, at);
    milliseconds = milliseconds * 10 + digit;
  }
  return milliseconds;
}

function parseByRegularExpression(bytes: Buffer, at: number): number {
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

/** RabbitMQ's text. */
function invalid(text: string, reason: string): AmqpError {
  return new AmqpError('PRECONDITION_FAILED', `invalid expiration '${text}': ${reason}`);
}
