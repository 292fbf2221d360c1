import { METHODS, type Method } from '../../src/wire/amqp091/definitions.ts';
import { CONTENT_HEADER_BYTES, decodeProperties } from '../../src/wire/amqp091/properties.ts';
import type { Arrival } from './peer.ts';

const names = new Map(
  Object.entries(METHODS).map(([name, { classId, methodId }]) => [`${classId}.${methodId}`, name]),
);

/**
 * What came, one line a frame, so that records can be read and compared:
 *
 *     channel.close 404 queue.bind | NOT_FOUND - no queue '~q' in vhost '/'
 *     queue.declare-ok {"queue":"~q","messageCount":0,"consumerCount":0}
 *
 * `prefix` is what `~` stood for. Names that the server makes up become one.
 */
export function describeArrival({ channel, method, type, payload }: Arrival, prefix: string): string {
  const where = channel <= 1 ? '' : `on ${channel}: `;
  const text = method === null ? describeFrame(type, payload) : describeMethod(method);
  return `${where}${text}`
    .replaceAll(prefix, '~')
    .replace(/amq\.gen-[\w-]{22}/g, 'amq.gen-…')
    .replace(/amq\.ctag-[\w-]{22}/g, 'amq.ctag-…');
}

function describeFrame(type: number, payload: Buffer): string {
  if (type === 0x41) return `protocol header ${payload.subarray(4).toString('hex')}`;
  if (type !== 2) return `body ${payload.toString()}`;
  const properties = decodeProperties(payload, CONTENT_HEADER_BYTES, payload.length);
  return `header ${JSON.stringify(properties)}`;
}

function describeMethod(method: Method): string {
  if (method.name === 'channel.close' || method.name === 'connection.close') {
    const { name, replyCode, replyText, classId, methodId } = method;
    const failed = names.get(`${classId}.${methodId}`) ?? `${classId}.${methodId}`;
    return `${name} ${replyCode} ${failed} | ${replyText}`;
  }
  // Who the server is, and what it offers, is not compared.
  if (method.name === 'connection.start' || method.name === 'connection.tune') return method.name;
  const { name, ...args } = method;
  return Object.keys(args).length === 0 ? name : `${name} ${JSON.stringify(args)}`;
}
