import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { alterUserScramCredentialsV0, ScramMechanisms } from '@platformatic/kafka';
import type { Broker } from './broker.ts';
import { KafkaClient } from './kafka-client.ts';

const USER = 'scram';
const PASSWORD = 'a secret';
const ITERATIONS = 4096;
const TOPIC = 'by-acl';

/** A user who is made by a Kafka client, and has no rights but those of access control lists. */
export async function fillKafkaAccess(broker: Broker): Promise<void> {
  const client = await KafkaClient.open(broker);
  await client.createTopic(TOPIC, 1);
  const credentials = (['sha256', 'sha512'] as const).map((digest) => {
    const salt = Buffer.from(`salt for ${digest}`);
    const bytes = digest === 'sha256' ? 32 : 64;
    return {
      name: USER,
      mechanism: digest === 'sha256' ? ScramMechanisms.SCRAM_SHA_256 : ScramMechanisms.SCRAM_SHA_512,
      iterations: ITERATIONS,
      salt,
      saltedPassword: pbkdf2Sync(PASSWORD, salt, ITERATIONS, bytes, digest),
    };
  });
  await alterUserScramCredentialsV0.api.async(client.connection, [], credentials);
  await client.close();
  const acl = { principal: `User:${USER}`, resource: 'topic', name: TOPIC, operation: 'write' };
  await broker.put('/api/acls/%2F', acl);
}

export async function verifyKafkaAccess(broker: Broker): Promise<void> {
  const message = { value: Buffer.from('written by right of a list') };
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    const wrong = { mechanism, username: USER, password: 'wrong' };
    await assert.rejects(KafkaClient.open(broker, wrong), `${mechanism} with a wrong password`);
    const client = await KafkaClient.open(broker, { mechanism, username: USER, password: PASSWORD });
    await client.produce(TOPIC, 0, [message]);
    await assert.rejects(client.produce('records', 0, [message]), 'what no list allows');
    await client.close();
  }
}
