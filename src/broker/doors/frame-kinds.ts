/** Kinds of frames between shards. */

/** A question, its answer, and what needs none: JSON in UTF-8 behind the number of the question. See `note-link.ts`. */
export const FRAME_ASK = 1;
export const FRAME_ANSWER = 2;
export const FRAME_TELL = 3;

/** Messages for queues of the other shard, and how far they are safe there. See `publish-frames.ts`. */
export const FRAME_PUBLISH = 10;
export const FRAME_STORED = 11;

/** Of outboxes: entries; a question for the last that is taken; its answer, which is also that of entries; and that a shard is there. */
export const FRAME_OUTBOX_ENTRIES = 30;
export const FRAME_OUTBOX_ASK = 31;
export const FRAME_OUTBOX_ANSWER = 32;
export const FRAME_OUTBOX_HELLO = 33;
