import { METHODS, type MethodName } from '../../../src/wire/amqp091/definitions.ts';
import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { encodeMethod } from '../../../src/wire/amqp091/methods.ts';
import { type Case, call, frameBytes, many, on, publish, type Step } from '../case.ts';

const quiet = { untilQuiet: true } as const;
const open = { stage: 'open' } as const;

const FROM_SERVER: readonly MethodName[] = (Object.keys(METHODS) as MethodName[]).filter(
  (name) =>
    (name.endsWith('-ok') && !/^connection|^channel\.(flow|close)-ok|^basic\.cancel-ok/.test(name)) ||
    ['basic.return', 'basic.deliver', 'basic.get-empty'].includes(name),
);

const ON_CHANNELS = (Object.keys(METHODS) as MethodName[]).filter((name) => !name.startsWith('connection.'));
const ON_CONNECTIONS = (Object.keys(METHODS) as MethodName[]).filter((name) =>
  name.startsWith('connection.'),
);

/** A method frame whose arguments end one octet too early, or go on after their end. */
function resized(name: MethodName, change: number): Step {
  return {
    frames: (channel) => {
      const writer = new FrameWriter();
      encodeMethod(writer, channel, call(name));
      const payload = writer.take().subarray(7, -1);
      const changed =
        change < 0 ? payload.subarray(0, change) : Buffer.concat([payload, Buffer.alloc(change)]);
      return frameBytes(1, channel, changed);
    },
  };
}

/** The method with names where RabbitMQ looks at these first, and with its content. */
function whole(name: MethodName): Step {
  if (name === 'basic.publish') return publish({ routingKey: '~q' });
  const names = METHODS[name].arguments.some(([argument]) => argument === 'queue') ? { queue: '~q' } : {};
  return call(name, names);
}

export const generalCases: readonly Case[] = [
  ...ON_CHANNELS.flatMap((method) => [
    ...many(method, {
      'on a channel that is not open': ['state', open, whole(method)],
      'on channel 0': ['state', open, on(0, whole(method))],
      'before the connection is open': ['state', { stage: 'tuned' }, on(0, whole(method))],
      'after the end of the channel': [
        'state',
        { untilQuiet: true },
        { method: call('queue.declare', { queue: '~q', passive: true }), endsChannel: true },
        whole(method),
      ],
    }),
  ]),
  ...ON_CONNECTIONS.flatMap((method) =>
    many(method, {
      'on an open connection, with an octet too many': ['argument', open, on(0, resized(method, 1))],
    }),
  ),
  ...ON_CONNECTIONS.flatMap((method) => many(method, { 'on a channel': ['state', quiet, whole(method)] })),
  ...FROM_SERVER.flatMap((method) => many(method, { 'from a client': ['state', quiet, whole(method)] })),
  ...ON_CHANNELS.flatMap((method) => [
    ...(METHODS[method].arguments.length === 0
      ? []
      : many(method, { 'with an octet too few': ['argument', quiet, resized(method, -1)] })),
    ...many(method, { 'with an octet too many': ['argument', quiet, resized(method, 1)] }),
  ]),
];
