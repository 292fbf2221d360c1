import { amqplib } from './amqplib/client.ts';
import { allFieldTypes as amqplibHeaders } from './amqplib/headers.ts';
import type { Client } from './client.ts';
import { cloudamqpClient } from './cloudamqp-client/client.ts';
import { allFieldTypes as cloudamqpHeaders } from './cloudamqp-client/headers.ts';
import { rabbitmqClient } from './rabbitmq-client/client.ts';
import { allFieldTypes as rabbitmqClientHeaders } from './rabbitmq-client/headers.ts';

/** The libraries that do the round, with headers of every type that each can write. */
export const CLIENTS: readonly { readonly client: Client; readonly headers: Record<string, unknown> }[] = [
  { client: amqplib, headers: amqplibHeaders },
  { client: rabbitmqClient, headers: rabbitmqClientHeaders },
  { client: cloudamqpClient, headers: cloudamqpHeaders },
];
