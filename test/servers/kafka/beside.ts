import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import type { KafkaTestServer } from './test-server.ts';

/**
 * The answer to a large request, and how many small ones of another client were answered while the broker was at it. Were it
 * handled at a stretch, that would be one or two, on whatever machine.
 */
export async function beside<T>(
  test: KafkaTestServer,
  send: () => Promise<T>,
): Promise<{ answer: T; others: number }> {
  using other = await test.connect('other');
  let others = 0;
  let isAnswered = false;
  const large = send().finally(() => {
    isAnswered = true;
  });
  large.catch(() => undefined);
  while (!isAnswered) {
    await other.request(apiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' });
    if (!isAnswered) others++;
  }
  return { answer: await large, others };
}
