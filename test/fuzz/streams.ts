import { PROTOCOL_HEADER } from '../../src/wire/amqp091/constants.ts';
import type { Method } from '../../src/wire/amqp091/definitions.ts';
import { FrameWriter } from '../../src/wire/amqp091/frames.ts';
import { encodeMethod } from '../../src/wire/amqp091/methods.ts';
import { mutate } from './mutations.ts';
import { Random } from './random.ts';
import { FRAME_MAX, writeRequest } from './requests.ts';

/**
 * - `orderly`: well-formed requests on channels of their own, which are opened before and closed after them. If none
 *   of it ended the connection, the next stream can have it.
 * - `hostile`: a whole session, from the protocol header on, with something broken; or bytes that are none at all.
 */
export type Stream =
  | { readonly kind: 'orderly'; readonly bytes: Buffer }
  | {
      readonly kind: 'hostile';
      readonly bytes: Buffer;
      /** Where it is cut into pieces that are sent one after the other. */
      readonly cuts: readonly number[];
      /** The connection is reset, not ended. */
      readonly resets: boolean;
    };

export const CHANNELS_PER_STREAM = 2;
const HOSTILE_SHARE = 0.2;
const REQUESTS_MAX = 8;

/** The stream of this number; an orderly one uses the channels from `firstChannel` on. */
export function makeStream(seed: number, index: number, firstChannel: number): Stream {
  const random = new Random(seed, index);
  return random.chance(HOSTILE_SHARE) ? hostile(random) : orderly(random, firstChannel);
}

export function isHostile(seed: number, index: number): boolean {
  return new Random(seed, index).chance(HOSTILE_SHARE);
}

function orderly(random: Random, first: number): Stream {
  const writer = new FrameWriter();
  for (let at = 0; at < CHANNELS_PER_STREAM; at++) encodeMethod(writer, first + at, OPEN);
  for (let count = 1 + random.below(REQUESTS_MAX); count > 0; count--) {
    writeRequest(writer, first + random.below(CHANNELS_PER_STREAM), random);
  }
  for (let at = 0; at < CHANNELS_PER_STREAM; at++) encodeMethod(writer, first + at, CLOSE);
  return { kind: 'orderly', bytes: writer.take() };
}

function hostile(random: Random): Stream {
  const frames = random.chance(0.05) ? [random.bytes(random.below(300))] : session(random);
  const bytes = mutate(frames, random);
  const cuts = random.chance(0.2) ? [random.below(bytes.length + 1), random.below(bytes.length + 1)] : [];
  return { kind: 'hostile', bytes, cuts: cuts.sort((a, b) => a - b), resets: random.chance(0.1) };
}

/** The frames of a session: the handshake is the first. */
function session(random: Random): Buffer[] {
  const frames = [HANDSHAKE, frameOf(1, OPEN), frameOf(2, OPEN)];
  for (let count = 1 + random.below(REQUESTS_MAX); count > 0; count--) {
    const writer = new FrameWriter();
    writeRequest(writer, 1 + random.below(2), random);
    frames.push(writer.take());
  }
  return frames;
}

const OPEN: Method = { name: 'channel.open' };
const CLOSE: Method = { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 };

function frameOf(channel: number, method: Method): Buffer {
  const writer = new FrameWriter();
  encodeMethod(writer, channel, method);
  return writer.take();
}

/** All of it at once: nobody waits for what the server says. */
export const HANDSHAKE: Buffer = Buffer.concat([
  PROTOCOL_HEADER,
  frameOf(0, {
    name: 'connection.start-ok',
    clientProperties: { capabilities: { consumer_cancel_notify: true, authentication_failure_close: true } },
    mechanism: 'PLAIN',
    response: Buffer.from('\0guest\0guest'),
    locale: 'en_US',
  }),
  frameOf(0, { name: 'connection.tune-ok', channelMax: 2047, frameMax: FRAME_MAX, heartbeat: 0 }),
  frameOf(0, { name: 'connection.open', virtualHost: '/' }),
]);
