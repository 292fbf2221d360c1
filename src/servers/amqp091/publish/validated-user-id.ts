import type { ConnectionContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

/**
 * RabbitMQ's validated user-id: the property, a short string whose length octet is at `at`, must be the user of the
 * connection, so that consumers can rely on it. @throws AmqpError PRECONDITION_FAILED
 */
export function validateUserId(bytes: Buffer, at: number, { user, permissions }: ConnectionContext): void {
  const userId = bytes.toString('utf8', at + 1, at + 1 + bytes[at]);
  if (userId === user || permissions.mayImpersonate) return;
  throw new AmqpError(
    'PRECONDITION_FAILED',
    `user_id property set to '${userId}' but authenticated user was '${user}'`,
  );
}
