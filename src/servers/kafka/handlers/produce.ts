import { finished, mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import type { DurableListener } from '../../../broker/shard/shard.ts';
import type { SafeListener } from '../../../broker/shard/waits.ts';
import type { Refused, VerificationRequest } from '../../../broker/transactions/transaction-admission.ts';
import type { Verification } from '../../../broker/transactions/verification.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { decodeRequest, decodeRequestWork } from '../../../wire/kafka/headers.ts';
import { produce } from '../../../wire/kafka/messages/produce.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import { runWork } from '../connection/run-work.ts';
import type { RawHandler } from '../handler.ts';
import { failed, ProduceAppend } from '../produce/produce-append.ts';
import { unverifiedPartitions } from '../produce/unverified-partitions.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof produce>;
type Response = ResponseInput<typeof produce>;
type PartitionResponse = Response['responses'][number]['partitionResponses'][number];

/** Requests before this version carry message sets of formats v0 and v1, which Kafka 4 dropped (KIP-896). */
const FIRST_VERSION = 3;
const ACKS_ALL = -1;
/** Topics, or partitions of the first one. */
const RESPONSES_AT_ONCE_MAX = 200;

/**
 * Versions before 3 are refused, but have to be in the ApiVersions response: librdkafka takes a broker without them for
 * one that is too old (KAFKA-18659).
 */
export const produceHandler: RawHandler<typeof produce> = {
  api: produce,
  minVersion: 0,
  maxVersion: 13,
  handleRaw(bytes, start, end, pending, context) {
    const request =
      end - start > LARGE_BODY_BYTES
        ? decodedSoon(bytes, start, end, context)
        : decodeRequest(produce, context.version, bytes, start, end);
    if (request === null) {
      // The memory of the frame is used again meanwhile.
      runWork(appendMany(Buffer.from(bytes.subarray(start, end)), pending, context), pending, context);
      return;
    }
    const refusal = refusalOf(request, context);
    if (refusal !== null) {
      finished(refuse(request, pending, context, refusal));
      return;
    }
    const unverified = unverifiedPartitions(request, context);
    if (unverified === null) take(request, pending, context);
    else takeVerified(Buffer.from(bytes.subarray(start, end)), unverified, pending, context);
  },
};

/** `refused`: by the coordinator of the transaction, in another shard. */
function take(request: Request, pending: PendingResponse, context: RequestContext, refused?: Refused): void {
  if (context.broker.shard.alarms.isBlocking) finished(block(request, pending, context));
  else append(request, pending, context, refused);
}

/** Waits for the coordinator of the transaction, and no further request of the connection begins: their order is that of the records. */
function takeVerified(
  body: Buffer,
  unverified: VerificationRequest,
  pending: PendingResponse,
  context: RequestContext,
): void {
  const { client, broker } = context;
  if (!client.memory.add(body.length)) {
    pending.fail(new KafkaWireError(client.memory.shortage));
    return;
  }
  const release = client.hold();
  // At once when the answer comes: what ends the transaction may be right behind it.
  (broker.transactions.verification as Verification).ask(unverified, (refused) => {
    broker.shard.turn.touch();
    client.memory.add(-body.length);
    try {
      take(decodeRequest(produce, context.version, body, 0, body.length), pending, context, refused);
    } catch (error) {
      pending.fail(error);
    }
    release();
  });
}

/** A smaller body cannot have so many batches that they would take long. */
const LARGE_BODY_BYTES = 32 * 1024;
/** Steps of decoding, each of some elements: what has more is decoded and appended in turns. */
const STEPS_AT_ONCE_MAX = 32;

/** Null if there are very many batches in it. Most large requests have a few large ones. */
function decodedSoon(bytes: Buffer, start: number, end: number, { version }: RequestContext): Request | null {
  const decoding = decodeRequestWork(produce, version, bytes, start, end);
  for (let steps = 0; steps < STEPS_AT_ONCE_MAX; steps++) {
    const step = decoding.next();
    if (step.done === true) return step.value;
  }
  return null;
}

function* appendMany(body: Buffer, pending: PendingResponse, context: RequestContext): Work<void> {
  const request = yield* decodeRequestWork(produce, context.version, body, 0, body.length);
  const refusal = refusalOf(request, context);
  if (refusal !== null) {
    yield* refuse(request, pending, context, refusal);
    return;
  }
  if (context.broker.shard.alarms.isBlocking) {
    yield* block(request, pending, context);
    return;
  }
  const unverified = unverifiedPartitions(request, context);
  const refused = unverified === null ? undefined : yield* verified(unverified, context);
  const produceAppend = new ProduceAppend(request.transactionalId, context, refused);
  const responses: Response['responses'][number][] = [];
  for (const topic of request.topicData) {
    responses.push(yield* produceAppend.topicInSteps(topic));
    yield;
  }
  if (produceAppend.hasLarge) yield produceAppend.appendLarge();
  context.broker.shard.turn.touch();
  finish(request, responses, produceAppend, pending, context);
}

/** What the coordinator refuses. What it has said may not hold any more when the batches are appended: then they come again. */
function* verified(unverified: VerificationRequest, { broker }: RequestContext): Work<Refused | undefined> {
  let refused: Refused | undefined;
  const verification = broker.transactions.verification as Verification;
  yield new Promise<void>((resolve) => {
    verification.ask(unverified, (answer) => {
      refused = answer;
      resolve();
    });
  });
  broker.shard.turn.touch();
  return refused;
}

function append(
  request: Request,
  pending: PendingResponse,
  context: RequestContext,
  refused?: Refused,
): void {
  const produceAppend = new ProduceAppend(request.transactionalId, context, refused);
  const responses = request.topicData.map((topic) => produceAppend.topic(topic));
  if (!produceAppend.hasLarge) {
    finish(request, responses, produceAppend, pending, context);
    return;
  }
  // Records that take longer to validate. As in Kafka, requests of a connection are done one after the other.
  const release = context.client.hold();
  produceAppend.appendLarge().then(
    () => {
      finish(request, responses, produceAppend, pending, context);
      release();
    },
    (error) => {
      pending.fail(error);
      release();
    },
  );
}

/** Everything is appended that could be. */
function finish(
  request: Request,
  responses: Response['responses'],
  { bytes, logs, wait }: ProduceAppend,
  pending: PendingResponse,
  context: RequestContext,
): void {
  const throttleTimeMs = context.client.quota.recordProduced(bytes);
  const { backPressure } = context.broker.shard;
  if (backPressure.mustPause(logs)) {
    context.client.pauseUntil((resume) => backPressure.onResume(logs, resume));
  }
  if (request.acks === 0) {
    // acks=0: no response, and so nothing that waits for the disk.
    context.broker.shard.waits.forget(wait);
    pending.skip(throttleTimeMs);
    // Without a response a closed connection is the only way to tell of an error; Kafka does the same.
    if (hasErrors(responses)) context.client.close('Produce with acks=0 could not be done');
    return;
  }
  const response: Response = { responses, throttleTimeMs };
  const delayed = new DelayedProduce(pending, response, context);
  if (wait >= 0) context.broker.shard.whenDurable(wait, delayed);
  else context.broker.shard.whenSafe(wait, delayed);
}

function hasErrors(responses: Response['responses']): boolean {
  return responses.some(({ partitionResponses }) =>
    partitionResponses.some(({ errorCode }) => errorCode !== ERROR_CODES.NONE),
  );
}

/** The response of Produce with acks=1 or acks=all, which leaves when the records are safe. */
class DelayedProduce implements DurableListener, SafeListener {
  readonly #pending: PendingResponse;
  readonly #response: Response;
  readonly #context: RequestContext;

  constructor(pending: PendingResponse, response: Response, context: RequestContext) {
    this.#pending = pending;
    this.#response = response;
    this.#context = context;
  }

  onDurable(): void {
    const { responses } = this.#response;
    const isLong =
      responses.length > RESPONSES_AT_ONCE_MAX ||
      (responses[0]?.partitionResponses.length ?? 0) > RESPONSES_AT_ONCE_MAX;
    if (isLong) this.#pending.fillInSteps<typeof produce>(this.#response);
    else this.#pending.fill<typeof produce>(this.#response);
  }

  onSafe(_wait: number, isRefused: boolean): void {
    if (isRefused) runWork(refuseAppended(this.#response, this.#pending), this.#pending, this.#context);
    else this.onDurable();
  }
}

/**
 * Records were refused where they went, and nobody knows which of the others are safe: producers send all of them again, and those
 * that are idempotent have none twice.
 */
function* refuseAppended({ responses, ...response }: Response, pending: PendingResponse): Work<void> {
  const refused = yield* mappedBy(responses, function* ofTopic({ partitionResponses, ...topic }) {
    const ofPartition = (partition: PartitionResponse) =>
      partition.errorCode === ERROR_CODES.NONE
        ? failed(partition.index, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
        : partition;
    return { ...topic, partitionResponses: yield* mapped(partitionResponses, ofPartition) };
  });
  pending.fillInSteps<typeof produce>({ ...response, responses: refused });
}

function refusalOf({ acks, transactionalId }: Request, context: RequestContext): ErrorName | null {
  if (context.version < FIRST_VERSION) return 'UNSUPPORTED_VERSION';
  if (acks !== ACKS_ALL && acks !== 0 && acks !== 1) return 'INVALID_REQUIRED_ACKS';
  if (transactionalId !== null && !context.isAllowed('write', 'transactional-id', transactionalId)) {
    return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
  }
  return null;
}

/**
 * Publishers are blocked: nothing of the request is appended, whoever sends it. Clients try again until their time is up, and
 * are not read until then.
 */
function* block(request: Request, pending: PendingResponse, context: RequestContext): Work<void> {
  const { client, broker } = context;
  const { alarms } = broker.shard;
  const text = `producers are blocked while ${[...alarms.raised].sort().join(' and ')} is short`;
  yield* refuse(request, pending, context, 'NOT_ENOUGH_REPLICAS', text);
  client.pauseUntil((resume) => client.onClose(alarms.whenCleared(resume)));
}

/** Responds with the same error for every partition. */
function* refuse(
  request: Request,
  pending: PendingResponse,
  context: RequestContext,
  error: ErrorName,
  text: string | null = null,
): Work<void> {
  if (request.acks === 0) {
    // acks=0: no response to carry the error.
    context.client.close(`Produce with acks=0 was refused: ${error}`);
    return;
  }
  const responses = yield* mappedBy(request.topicData, function* ofTopic({ name, topicId, partitionData }) {
    const partitionResponses = yield* mapped(partitionData, ({ index }) => failed(index, error, text));
    return { name, topicId, partitionResponses };
  });
  pending.fillInSteps<typeof produce>({ responses });
}
