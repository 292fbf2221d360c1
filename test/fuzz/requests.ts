import type { Table, Value } from '../../src/base/value.ts';
import {
  METHODS,
  type Method,
  type MethodDefinition,
  type MethodName,
} from '../../src/wire/amqp091/definitions.ts';
import { FrameWriter, writeBodyFrames, writeHeaderFrame } from '../../src/wire/amqp091/frames.ts';
import { encodeMethod } from '../../src/wire/amqp091/methods.ts';
import { encodeProperties, type Properties } from '../../src/wire/amqp091/properties.ts';
import type { Random } from './random.ts';

/** What may be asked of a channel, well formed, in any order and with any arguments: right or wrong. */

const QUEUES = ['fq0', 'fq1', 'fq2', 'fq3', '', 'absent'];
const EXCHANGES = ['', 'amq.direct', 'amq.topic', 'amq.fanout', 'amq.headers', 'fx0', 'fx1', 'fx2', 'absent'];
const RARE_NAMES = ['amq.rabbitmq.reply-to', 'amq.rabbitmq.trace', 'amq.mine', 'n'.repeat(255), 'é\n\0', ' '];
const TYPES = [
  'direct',
  'fanout',
  'topic',
  'headers',
  'x-consistent-hash',
  'x-random',
  'x-delayed-message',
  'no',
];
const KEYS = ['', 'fq0', 'fq1', 'a.b', '*.b', 'a.#', '#', '#.#.#', '1', 'amq.rabbitmq.reply-to.x'];
const TAGS = ['t', 'u', '', 'amq.ctag-x'];
const NUMBERS = [0, 1, 2, 5, 100, 60_000, -1, 255, 256, 65_535, 2 ** 31, 2 ** 32, 2 ** 53, 1.5];
const TEXTS = [
  '',
  '1',
  '-1',
  'drop-head',
  'reject-publish',
  'reject-publish-dlx',
  'fx0',
  'fq0',
  'quorum',
  'stream',
  'lazy',
];
const ARGUMENTS = [
  'x-message-ttl',
  'x-expires',
  'x-max-length',
  'x-max-length-bytes',
  'x-max-priority',
  'x-overflow',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-single-active-consumer',
  'x-delivery-limit',
  'x-queue-type',
  'x-queue-mode',
  'x-match',
  'x-priority',
  'x-delayed-type',
  'x-message-deduplication',
  'alternate-exchange',
  'x-consumer-timeout',
  'hash-header',
  '__proto__',
  'a',
];
const HEADERS = ['CC', 'BCC', 'x-delay', 'x-death', 'x-match', 'x-deduplication-header', 'a', 'constructor'];

/** How often each is asked for, for ten methods that nobody asks for. */
const WEIGHTS: readonly (readonly [MethodName, number])[] = [
  ['basic.publish', 80],
  ['queue.declare', 50],
  ['exchange.declare', 25],
  ['queue.bind', 30],
  ['queue.unbind', 10],
  ['exchange.bind', 12],
  ['exchange.unbind', 8],
  ['queue.purge', 10],
  ['queue.delete', 20],
  ['exchange.delete', 15],
  ['basic.consume', 40],
  ['basic.cancel', 20],
  ['basic.get', 40],
  ['basic.ack', 40],
  ['basic.nack', 20],
  ['basic.reject', 20],
  ['basic.qos', 15],
  ['basic.recover', 15],
  ['basic.recover-async', 5],
  ['confirm.select', 20],
  ['tx.select', 15],
  ['tx.commit', 20],
  ['tx.rollback', 10],
  ['channel.flow', 10],
  ['access.request', 5],
];
const ANY = Object.keys(METHODS) as MethodName[];
const USUAL: readonly MethodName[] = WEIGHTS.flatMap(([name, weight]) =>
  new Array<MethodName>(weight).fill(name),
);
const ANY_CHANCE = 0.004;

/** Writes one request: a method, with its content if it has one. */
export function writeRequest(writer: FrameWriter, channel: number, random: Random): void {
  const name = random.chance(ANY_CHANCE) ? random.pick(ANY) : random.pick(USUAL);
  encodeMethod(writer, channel, randomMethod(name, random));
  if (name === 'basic.publish') writeContent(writer, channel, random);
}

function randomMethod(name: MethodName, random: Random): Method {
  const { arguments: types }: MethodDefinition = METHODS[name];
  const method: Record<string, unknown> = { name };
  for (const [argument, type] of types) {
    if (argument.startsWith('reserved')) continue;
    method[argument] = argumentOf(argument, type, random);
  }
  // The table of definitions is what the type of methods is made of.
  return method as unknown as Method;
}

function argumentOf(name: string, type: MethodDefinition['arguments'][number][1], random: Random): unknown {
  switch (type) {
    case 'bit':
      return random.chance(BITS[name] ?? 0.3);
    case 'octet':
      return random.below(256);
    case 'short':
      return random.chance(0.8) ? random.below(10) : random.below(65_536);
    case 'long':
      return random.chance(0.9) ? 0 : random.u32();
    case 'longlong':
      return random.chance(0.9) ? random.below(6) : random.u32() * 2 ** 21;
    case 'shortstr':
      return textOf(name, random);
    case 'longstr':
      return random.bytes(random.below(20));
    case 'longtext':
      return random.pick(TEXTS);
    case 'table':
      return random.chance(0.75) ? {} : randomTable(random, ARGUMENTS);
  }
}

/** Of the flags that would make most requests fail, or be forgotten, few are set; nothing is to stay for long. */
const BITS: Readonly<Record<string, number>> = {
  passive: 0.1,
  durable: 0.2,
  exclusive: 0.3,
  autoDelete: 0.4,
  internal: 0.05,
  noWait: 0.15,
  ifUnused: 0.2,
  ifEmpty: 0.2,
  immediate: 0.01,
  active: 0.7,
  requeue: 0.6,
};

function textOf(name: string, random: Random): string {
  if (random.chance(0.03)) return random.pick(RARE_NAMES);
  switch (name) {
    case 'queue':
      return random.pick(QUEUES);
    case 'exchange':
    case 'source':
    case 'destination':
      return random.pick(EXCHANGES);
    case 'type':
      return random.pick(TYPES);
    case 'routingKey':
      return random.pick(KEYS);
    case 'consumerTag':
      return random.pick(TAGS);
    default:
      return random.pick(TEXTS);
  }
}

function randomTable(random: Random, keys: readonly string[], depth = 3): Table {
  const entries: [string, Value][] = [];
  for (let count = 1 + random.below(3); count > 0; count--) {
    entries.push([random.pick(keys), randomValue(random, depth)]);
  }
  return Object.fromEntries(entries);
}

function randomValue(random: Random, depth: number): Value {
  switch (random.below(depth > 0 ? 9 : 7)) {
    case 0:
    case 1:
      return random.pick(NUMBERS);
    case 2:
    case 3:
      return random.pick(TEXTS);
    case 4:
      return random.chance(0.5);
    case 5:
      return random.chance(0.5) ? null : BigInt(random.u32()) << 31n;
    case 6:
      return random.chance(0.5) ? random.bytes(random.below(5)) : new Date(random.u32() * 1000);
    case 7:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
    default:
      return randomTable(random, HEADERS, depth - 1);
  }
}

function randomProperties(random: Random): Properties {
  const properties: { -readonly [P in keyof Properties]: Properties[P] } = {};
  if (random.chance(0.3)) properties.deliveryMode = random.pick([1, 2, 2, 0, 255]);
  if (random.chance(0.1)) properties.priority = random.below(256);
  if (random.chance(0.1)) properties.expiration = random.pick(['0', '10', '60000', '-1', 'x', '']);
  if (random.chance(0.1)) properties.replyTo = random.pick(['amq.rabbitmq.reply-to', 'fq0']);
  if (random.chance(0.02)) properties.userId = random.pick(['guest', 'nobody']);
  if (random.chance(0.1)) properties.timestamp = random.u32();
  if (random.chance(0.1)) properties.messageId = random.pick(TEXTS);
  if (random.chance(0.2)) {
    properties.headers = random.chance(0.3)
      ? { [random.pick(HEADERS)]: [random.pick(KEYS)] }
      : randomTable(random, HEADERS);
  }
  return properties;
}

/** What is agreed in the handshakes of the streams. */
export const FRAME_MAX = 4096;
const BODY = Buffer.alloc(20_000, 'message ');

function writeContent(writer: FrameWriter, channel: number, random: Random): void {
  const properties = new FrameWriter();
  properties.ensure(64);
  encodeProperties(properties, randomProperties(random));
  const size = random.chance(0.02) ? random.below(BODY.length) : random.below(100);
  writeHeaderFrame(writer, channel, size, properties.take());
  writeBodyFrames(writer, channel, FRAME_MAX, BODY, 0, size);
}
