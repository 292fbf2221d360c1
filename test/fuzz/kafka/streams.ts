import { HANDLERS } from '../../../src/servers/kafka/handlers/table.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import type { Api, RequestInput } from '../../../src/wire/kafka/declaration.ts';
import { encodeRequest } from '../../../src/wire/kafka/headers.ts';
import { Random } from '../random.ts';
import { structOf } from './values.ts';

/**
 * - `orderly`: requests that can be read, whatever they ask for;
 * - `hostile`: some of that broken, or bytes that are none at all.
 */
export interface KafkaStream {
  readonly isHostile: boolean;
  readonly bytes: Buffer;
  /** Where it is cut into pieces that are sent one after the other. */
  readonly cuts: readonly number[];
  readonly resets: boolean;
  /** How many responses come, if it is orderly. */
  readonly responses: number;
  /** For whoever looks at a finding. */
  readonly names: readonly string[];
}

const HOSTILE_SHARE = 0.3;
const REQUESTS_MAX = 8;

/** To log in changes who the client is: seldom. Those that wait for others make a run long. */
const RARE = new Set(['SaslHandshake', 'SaslAuthenticate', 'JoinGroup', 'SyncGroup']);
const PRODUCE_KEY = 0;

export function makeKafkaStream(seed: number, index: number): KafkaStream {
  const random = new Random(seed, index);
  const isHostile = random.chance(HOSTILE_SHARE);
  const requests = Array.from({ length: 1 + random.below(REQUESTS_MAX) }, (_, at) => request(random, at));
  const frames = requests.map(({ frame }) => frame);
  const names = requests.map(({ name }) => name);
  if (!isHostile) {
    const responses = requests.filter(({ isAnswered }) => isAnswered).length;
    return { isHostile, bytes: Buffer.concat(frames), cuts: [], resets: false, responses, names };
  }
  const bytes = random.chance(0.05) ? random.bytes(random.below(300)) : broken(frames, random);
  const cuts = random.chance(0.3) ? [random.below(bytes.length + 1), random.below(bytes.length + 1)] : [];
  const resets = random.chance(0.2);
  return { isHostile, bytes, cuts: cuts.sort((a, b) => a - b), resets, responses: 0, names };
}

function request(random: Random, at: number) {
  let handler = random.pick(HANDLERS);
  while (RARE.has(handler.api.name) && !random.chance(0.05)) handler = random.pick(HANDLERS);
  const { api, minVersion, maxVersion } = handler;
  const version = minVersion + random.below(maxVersion - minVersion + 1);
  const body = structOf(api.request.fields, version, random);
  const writer = new ByteWriter();
  const clientId = random.pick(['fuzz', '', null]);
  encodeRequest(writer, api, version, at, clientId, body as RequestInput<Api>);
  const isAnswered = api.key !== PRODUCE_KEY || body.acks !== 0;
  return { frame: Buffer.concat(writer.take()), name: `${api.name} v${version}`, isAnswered };
}

type FrameMutation = (frames: readonly Buffer[], at: number, random: Random) => Buffer[];

const FRAME_MUTATIONS: readonly FrameMutation[] = [
  function twice(frames, at) {
    return frames.toSpliced(at, 0, frames[at]);
  },
  function cutShort(frames, at, random) {
    return frames.with(at, frames[at].subarray(0, random.below(frames[at].length)));
  },
  function shorter(frames, at, random) {
    const frame = Buffer.from(frames[at].subarray(0, 4 + random.below(frames[at].length)));
    if (frame.length >= 4) frame.writeInt32BE(frame.length - 4);
    return frames.with(at, frame);
  },
  function wrongLength(frames, at, random) {
    const frame = Buffer.from(frames[at]);
    const length = frame.length - 4;
    frame.writeInt32BE(random.pick([0, length + 1, length - 1, -1, 2 ** 31 - 1, 100 * 2 ** 20]));
    return frames.with(at, frame);
  },
  function otherApi(frames, at, random) {
    const frame = Buffer.from(frames[at]);
    frame.writeInt16BE(random.below(100), 4);
    return frames.with(at, frame);
  },
  function otherVersion(frames, at, random) {
    const frame = Buffer.from(frames[at]);
    frame.writeInt16BE(random.below(20) - 1, 6);
    return frames.with(at, frame);
  },
  function flipped(frames, at, random) {
    const frame = Buffer.from(frames[at]);
    for (let count = 1 + random.below(6); count > 0 && frame.length > 8; count--) {
      frame[8 + random.below(frame.length - 8)] ^= 1 << random.below(8);
    }
    return frames.with(at, frame);
  },
  function hugeCount(frames, at, random) {
    const frame = Buffer.from(frames[at]);
    if (frame.length < 24) return [...frames];
    frame.writeInt32BE(random.pick([2 ** 31 - 1, 10_000_000, -5]), 14 + random.below(frame.length - 18));
    return frames.with(at, frame);
  },
];

function broken(frames: readonly Buffer[], random: Random): Buffer {
  let mutated = [...frames];
  for (let count = 1 + random.below(3); count > 0; count--) {
    mutated = random.pick(FRAME_MUTATIONS)(mutated, random.below(mutated.length), random);
    if (mutated.some((frame) => frame.length < 8)) break;
  }
  return Buffer.concat(mutated);
}
