import type { Table } from '../../src/base/value.ts';
import {
  METHODS,
  type Method,
  type MethodDefinition,
  type MethodName,
  type MethodOf,
} from '../../src/wire/amqp091/definitions.ts';
import { FrameWriter, writeBodyFrames, writeHeaderFrame } from '../../src/wire/amqp091/frames.ts';
import { encodeMethod } from '../../src/wire/amqp091/methods.ts';
import { encodeProperties, type Properties } from '../../src/wire/amqp091/properties.ts';

/** What is wrong with what the client asks; `none`: nothing, and the answer is to be the same all the same. */
export type Wrong = 'permission' | 'state' | 'argument' | 'missing' | 'none';

/** How far the connection `ours` is when the first step begins. */
export type Stage = 'connected' | 'started' | 'authenticated' | 'tuned' | 'open' | 'channel';

/**
 * What a client does, and for the last of its steps what it is answered. The names of things that the case makes
 * begin with `~`, which stands for something that no other case has.
 */
export interface Case {
  readonly method: MethodName | 'frame';
  readonly wrong: Wrong;
  readonly title: string;
  readonly steps: readonly Step[];
  /** One of `users`; guest, unless told otherwise. Other connections than `ours` are always guest's. */
  readonly user?: string;
  /** Unless told otherwise: channel 1 is open. */
  readonly stage?: Stage;
  /** What is told to the server in start-ok. */
  readonly capabilities?: Table;
  /** What comes after the last step without being asked for, and has to be waited for. */
  readonly awaits?: MethodName;
  /** The answer is what comes until nothing more does: for steps after which no other may follow. */
  readonly untilQuiet?: true;
}

/** Channel 1 of `ours`, unless told otherwise. */
export type Step = Method | Action;

export interface Action {
  readonly connection?: string;
  readonly channel?: number;
  readonly method?: Method;
  /** Instead of a method: whole frames. `name` is the prefix of what the case makes. */
  readonly frames?: (channel: number, frameMax: number, name: (text: string) => string) => Buffer;
  readonly pauseMs?: number;
  /** Ends the connection without a word. */
  readonly cuts?: true;
  /** No probe may follow: it would come between what belongs together. */
  readonly isPart?: true;
  /** The server closes the channel for it, and gets no close-ok. */
  readonly endsChannel?: true;
}

const DEFAULTS = {
  bit: false,
  octet: 0,
  short: 0,
  long: 0,
  longlong: 0,
  shortstr: '',
  longtext: '',
} as const;

/** A method whose other arguments are false, zero and empty. */
export function call<N extends MethodName>(name: N, args: Partial<Omit<MethodOf<N>, 'name'>> = {}): Method {
  const { arguments: types }: MethodDefinition = METHODS[name];
  const defaults = types
    .filter(([argument]) => !argument.startsWith('reserved'))
    .map(([argument, type]) => [
      argument,
      type === 'table' ? {} : type === 'longstr' ? Buffer.alloc(0) : DEFAULTS[type],
    ]);
  // The table of definitions is what the type of methods is made of.
  return { name, ...Object.fromEntries(defaults), ...args } as unknown as Method;
}

export function on(channel: number, step: Step): Action {
  return { ...action(step), channel };
}

export function by(connection: string, step: Step): Action {
  return { ...action(step), connection };
}

export function action(step: Step): Action {
  return 'name' in step ? { method: step } : step;
}

export function pause(pauseMs: number): Action {
  return { pauseMs };
}

/** Frames as they are: type, payload. */
export function frame(type: number, payload: Uint8Array | string, end = 0xce): Action {
  return { frames: (channel) => frameBytes(type, channel, Buffer.from(payload), end), isPart: true };
}

/** A method frame from ids and the bytes of its arguments. */
export function rawMethod(classId: number, methodId: number, args: readonly number[] = []): Action {
  return frame(1, Buffer.from([classId >> 8, classId, methodId >> 8, methodId, ...args]));
}

export function bytes(...values: (string | readonly number[])[]): Action {
  return {
    frames: () => Buffer.concat(values.map((each) => Buffer.from(each as string))),
  };
}

export interface Publish {
  readonly exchange?: string;
  readonly routingKey?: string;
  readonly mandatory?: boolean;
  readonly immediate?: boolean;
  readonly properties?: Properties;
  readonly body?: string;
}

export function publish({ properties = {}, body = 'message', ...address }: Publish): Action {
  return {
    frames: (channel, frameMax, name) => {
      const writer = new FrameWriter();
      const { exchange = '', routingKey = '', mandatory = false, immediate = false } = address;
      encodeMethod(writer, channel, {
        name: 'basic.publish',
        exchange: name(exchange),
        routingKey: name(routingKey),
        mandatory,
        immediate,
      });
      const content = Buffer.from(body);
      writeHeaderFrame(writer, channel, content.length, propertyBytes(properties));
      writeBodyFrames(writer, channel, frameMax, content);
      return writer.take();
    },
  };
}

export function propertyBytes(properties: Properties): Buffer {
  const writer = new FrameWriter();
  writer.ensure(1024);
  encodeProperties(writer, properties);
  return Buffer.from(writer.take());
}

export function frameBytes(type: number, channel: number, payload: Buffer, end = 0xce): Buffer {
  const prefix = Buffer.alloc(7);
  prefix.writeUInt8(type, 0);
  prefix.writeUInt16BE(channel, 1);
  prefix.writeUInt32BE(payload.length, 3);
  return Buffer.concat([prefix, payload, Buffer.from([end])]);
}

/** What a case is called in the records. */
export function idOf({ method, wrong, title }: Case): string {
  return `${method} / ${wrong} / ${title}`;
}

/** What is wrong, what is special about the case, if anything, and its steps. */
type Row =
  | readonly [Wrong, ...(readonly Step[])]
  | readonly [Wrong, Omit<Partial<Case>, 'method'>, ...(readonly Step[])];

const SPECIAL: readonly string[] = ['user', 'stage', 'capabilities', 'awaits', 'untilQuiet'];

/** Cases of one method, by title. */
export function many(method: Case['method'], rows: Readonly<Record<string, Row>>): Case[] {
  return Object.entries(rows).map(([title, [wrong, first, ...rest]]) => {
    const isSpecial = first !== undefined && Object.keys(first).every((key) => SPECIAL.includes(key));
    const steps = (isSpecial ? rest : [first, ...rest]) as readonly Step[];
    return { ...(isSpecial ? (first as Partial<Case>) : {}), method, wrong, title, steps };
  });
}
