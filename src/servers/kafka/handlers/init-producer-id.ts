import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { ProducerIdentity } from '../../../broker/transactions/transactional-producer.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { initProducerId } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { codeInTime } from '../transaction-errors.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof initProducerId>;
type Response = ResponseInput<typeof initProducerId>;

const FENCED_FROM = 4;

/** KIP-98: a producer id and epoch; from version 3 on a producer can have its epoch bumped (KIP-360). */
export const initProducerIdHandler: ApiHandler<typeof initProducerId> = {
  api: initProducerId,
  minVersion: 0,
  maxVersion: 6,
  home: 'controller',
  async handle(request, context) {
    const refusal = refusalOf(request, context);
    if (refusal !== null) return failed(ERROR_CODES[refusal]);
    const { broker } = context;
    let given: ProducerIdentity | null = null;
    const owner = { vhost: context.client.vhost, id: request.transactionalId ?? '' };
    const errorCode = await codeInTime(owner, () => (given = give(request, context)), context, FENCED_FROM);
    if (given === null) return failed(errorCode);
    const { producerId, epoch } = given as ProducerIdentity;
    await durable(broker);
    // It may have aborted a transaction.
    if (!(await broker.transactions.settling.settled(owner)))
      return failed(ERROR_CODES.CONCURRENT_TRANSACTIONS);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, producerId, producerEpoch: epoch };
  },
};

function refusalOf(request: Request, context: RequestContext): ErrorName | null {
  const { transactionalId, producerId, producerEpoch, enable2Pc, keepPreparedTxn } = request;
  if (transactionalId === null) {
    return mayNumberRecords(context) ? null : 'CLUSTER_AUTHORIZATION_FAILED';
  }
  if (!context.isAllowed('write', 'transactional-id', transactionalId)) {
    return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
  }
  if (producerId < 0 !== producerEpoch < 0) return 'INVALID_REQUEST';
  // As Kafka with transaction.two.phase.commit.enable=false, its default (KIP-939).
  if (enable2Pc) return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
  return keepPreparedTxn ? 'UNSUPPORTED_VERSION' : null;
}

/** A client that may write to any topic may be an idempotent producer (KIP-679). */
function mayNumberRecords(context: RequestContext): boolean {
  return (
    context.isAllowed('idempotent-write', 'cluster', CLUSTER_NAME) ||
    (context.client.identity?.authorizer.mayWriteSomewhere ?? false)
  );
}

function give(request: Request, { client, broker }: RequestContext): ProducerIdentity {
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request;
  const { transactions } = broker;
  if (transactionalId === null) return transactions.newProducer();
  return transactions.initialize({
    vhost: client.vhost,
    id: transactionalId,
    timeoutMs: transactionTimeoutMs,
    identity: producerId < 0 ? null : { producerId, epoch: producerEpoch },
    user: client.actor,
  });
}

function failed(errorCode: number): Response {
  return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
}
