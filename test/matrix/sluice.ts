import type { Broker } from '../../src/broker/broker.ts';
import { users } from './users.ts';

/** The users of the matrix, in a broker of ours. */
export async function setUpUsers({ access: { administration } }: Broker): Promise<void> {
  for (const { name, tags, permissions, topicPermissions } of users) {
    await administration.addUser(name, name, tags);
    if (permissions !== null) await administration.setPermissions(name, '/', permissions);
    if (topicPermissions !== undefined) {
      const { exchange, ...patterns } = topicPermissions;
      await administration.setTopicPermissions(name, '/', exchange, patterns);
    }
  }
}
