import { saslAuthenticate, saslHandshake } from '../../src/wire/kafka/messages/sasl.ts';
import { KafkaClient } from '../servers/kafka/kafka-client.ts';
import type { Target } from './behaviour.ts';

/** A Kafka connection that has logged in by SASL PLAIN. */
export async function kafkaLogin({
  kafkaPort,
  user,
  password,
}: Pick<Target, 'kafkaPort' | 'user' | 'password'>): Promise<KafkaClient> {
  const client = await KafkaClient.connect(kafkaPort, user);
  await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
  const { errorCode, errorMessage } = await client.request(saslAuthenticate, 2, {
    authBytes: Buffer.from(`\0${user}\0${password}`),
  });
  if (errorCode !== 0) throw new Error(`login of ${user}: ${errorMessage}`);
  return client;
}
