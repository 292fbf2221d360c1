/** Kinds of frames between shards. */

/** A question, its answer, and what needs none: JSON in UTF-8 behind the number of the question. See `note-link.ts`. */
export const FRAME_ASK = 1;
export const FRAME_ANSWER = 2;
export const FRAME_TELL = 3;

/** Messages for queues of the other shard, and how far they are safe there. See `publish-frames.ts`. */
export const FRAME_PUBLISH = 10;
export const FRAME_STORED = 11;

/** Of consumers in one shard of queues in another: see `shards/consume/`. */
export const FRAME_DELIVER = 20;
/** What became of deliveries, room for more, and consumers that were cancelled. */
export const FRAME_SETTLE = 21;
/** The broker has cancelled a consumer; and nothing comes of it any more. */
export const FRAME_CANCELLED = 22;
export const FRAME_ENDED = 23;
/** The answer to a basic.get. */
export const FRAME_GOT = 24;
/** An answer for who consumes from `amq.rabbitmq.reply-to`. */
export const FRAME_REPLY = 25;

/** Of outboxes: entries; a question for the last that is taken; its answer, which is also that of entries; and that a shard is there. */
export const FRAME_OUTBOX_ENTRIES = 30;
export const FRAME_OUTBOX_ASK = 31;
export const FRAME_OUTBOX_ANSWER = 32;
export const FRAME_OUTBOX_HELLO = 33;
export const FRAME_OUTBOX_END = 34;
/** A record for a partition of a stream, and the answer for those that are durable. See `streams/stream-append-*.ts`. */
export const FRAME_STREAM_APPEND = 40;
export const FRAME_STREAM_STORED = 41;
/** A record for a consumer of a stream, and that it gets nothing more. See `streams/stream-consume-service.ts`. */
export const FRAME_STREAM_RECORD = 42;
export const FRAME_STREAM_CANCELLED = 43;
/** Of such a consumer: what it has taken and settled, which offsets that were, and that it is gone. */
export const FRAME_STREAM_CREDIT = 44;
export const FRAME_STREAM_SETTLED = 45;
export const FRAME_STREAM_DETACH = 46;
/** Of services of servers: a request, its answer, why there is none, and that nobody waits for it any more. See `shards/services/`. */
export const FRAME_SERVICE_REQUEST = 60;
export const FRAME_SERVICE_ANSWER = 61;
export const FRAME_SERVICE_FAILURE = 62;
export const FRAME_SERVICE_CANCEL = 63;
/** Of partitions that another shard reads: a question for batches and its answer, and how far they go. See `streams/partition-frames.ts`. */
export const FRAME_PARTITION_READ = 47;
export const FRAME_PARTITION_SLICE = 48;
export const FRAME_PARTITION_OFFSETS = 49;
