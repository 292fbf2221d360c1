import type { ProducerIdentity } from '../../../broker/transactions/transactional-producer.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { endTxn } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { codeInTime } from '../transaction-errors.ts';

const FENCED_FROM = 2;
/** From this version on the response has the producer id and epoch for the next transaction (KIP-890). */
const RENEWS_FROM = 5;

export const endTxnHandler: ApiHandler<typeof endTxn> = {
  api: endTxn,
  minVersion: 0,
  maxVersion: 5,
  home: 'controller',
  async handle({ transactionalId, producerId, producerEpoch, committed }, context) {
    if (!context.isAllowed('write', 'transactional-id', transactionalId)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
    }
    const { broker } = context;
    const owner = {
      vhost: context.client.vhost,
      id: transactionalId,
      identity: { producerId, epoch: producerEpoch },
    };
    const renews = context.version >= RENEWS_FROM;
    let next: ProducerIdentity = { producerId: -1, epoch: -1 };
    const end = () => {
      next = broker.transactions.end(owner, committed, renews);
    };
    const errorCode = await codeInTime(owner, end, context, FENCED_FROM);
    if (errorCode !== ERROR_CODES.NONE) return { throttleTimeMs: 0, errorCode };
    await durable(broker);
    // What was committed can be read in all shards. Until then clients come again, and find it ended.
    if (!(await broker.transactions.settling.settled(owner)))
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.CONCURRENT_TRANSACTIONS };
    return { throttleTimeMs: 0, errorCode, producerId: next.producerId, producerEpoch: next.epoch };
  },
};
