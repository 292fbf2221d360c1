import { type Json, tableFromJson, tableToJson } from '../../base/value-json.ts';
import type { ShardNote } from '../doors/shard-link.ts';
import type { QueueDeletion } from '../queues/queue-port.ts';
import type { BindingRequest } from '../topology/binding-commands.ts';
import type { QueueDeclaration } from '../topology/declarations.ts';
import type { ExchangeDeclaration } from '../topology/exchange.ts';

/** Commands as another shard asks shard 0 for them: the fields of the declaration, with tables as in value-json.ts. */
type Fields = { readonly [field: string]: Json };

export function encodeQueueDeclaration(declaration: QueueDeclaration): Fields {
  return fieldsOf({ ...declaration });
}

export function decodeQueueDeclaration(note: ShardNote): QueueDeclaration {
  return {
    name: text(note, 'name'),
    durable: flag(note, 'durable'),
    exclusive: flag(note, 'exclusive'),
    autoDelete: flag(note, 'autoDelete'),
    arguments: table(note),
    declaredBy: optionalText(note, 'declaredBy'),
    ...userOf(note),
  };
}

export function encodeExchangeDeclaration(declaration: ExchangeDeclaration): Fields {
  return fieldsOf({ ...declaration });
}

export function decodeExchangeDeclaration(note: ShardNote): ExchangeDeclaration {
  return {
    name: text(note, 'name'),
    type: text(note, 'type'),
    durable: flag(note, 'durable'),
    autoDelete: flag(note, 'autoDelete'),
    internal: flag(note, 'internal'),
    arguments: table(note),
    declaredBy: optionalText(note, 'declaredBy'),
    ...userOf(note),
  };
}

export function encodeBinding(request: BindingRequest): Fields {
  return fieldsOf({ ...request });
}

export function decodeBinding(note: ShardNote): BindingRequest {
  return {
    source: text(note, 'source'),
    destination: text(note, 'destination'),
    routingKey: text(note, 'routingKey'),
    arguments: table(note),
    ...userOf(note),
  };
}

export function decodeDeletion(note: ShardNote): QueueDeletion {
  return { ifUnused: flag(note, 'ifUnused'), ifEmpty: flag(note, 'ifEmpty') };
}

export function text(note: ShardNote, field: string): string {
  const value = note[field];
  if (typeof value === 'string') return value;
  throw new Error(`'${note.op}' of another shard has no '${field}'`);
}

export function number(note: ShardNote, field: string): number {
  const value = note[field];
  if (typeof value === 'number') return value;
  throw new Error(`'${note.op}' of another shard has no number '${field}'`);
}

export function optionalText(note: ShardNote, field: string): string | null {
  const value = note[field];
  return typeof value === 'string' ? value : null;
}

export function flag(note: ShardNote, field: string): boolean {
  return note[field] === true;
}

function table(note: ShardNote): QueueDeclaration['arguments'] {
  return tableFromJson(note.arguments as { readonly [key: string]: Json });
}

function userOf(note: ShardNote): { readonly user?: string } {
  const user = optionalText(note, 'user');
  return user === null ? {} : { user };
}

function fieldsOf(declaration: { readonly [field: string]: unknown }): Fields {
  const fields: { [field: string]: Json } = {};
  for (const [field, value] of Object.entries(declaration)) {
    if (value === undefined) continue;
    fields[field] =
      field === 'arguments' ? tableToJson(value as QueueDeclaration['arguments']) : (value as Json);
  }
  return fields;
}
