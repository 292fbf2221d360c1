import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { addOffsetsToTxn } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { codeOf } from '../transaction-errors.ts';

const FENCED_FROM = 2;

/** KIP-98: adds a group to the transaction, whose offsets TxnOffsetCommit then sends. */
export const addOffsetsToTxnHandler: ApiHandler<typeof addOffsetsToTxn> = {
  api: addOffsetsToTxn,
  minVersion: 0,
  maxVersion: 4,
  home: 'controller',
  async handle({ transactionalId, groupId, producerId, producerEpoch }, context) {
    if (!context.isAllowed('write', 'transactional-id', transactionalId)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
    }
    if (!context.isAllowed('read', 'group', groupId)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.GROUP_AUTHORIZATION_FAILED };
    }
    const { broker } = context;
    const identity = { producerId, epoch: producerEpoch };
    const owner = { vhost: context.client.vhost, id: transactionalId, identity };
    const errorCode = codeOf(() => broker.transactions.grow(owner, [], [groupId]), context, FENCED_FROM);
    await durable(broker);
    return { throttleTimeMs: 0, errorCode };
  },
};
