import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntryView } from '../../../src/broker/shards/outbox/outbox-entry.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { varintLength, writeVarint } from '../../../src/records/record-content.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';

/** A message for queues and streams of shard 0, as versions wrote it that had all streams there. */
function streamMessageEntry(streams: readonly number[], queues: readonly number[], content: Buffer): Buffer {
  const key = Buffer.alloc(6 + 4 * (streams.length + queues.length));
  key[0] = 3;
  key[1] = 1;
  key.writeUInt32LE(streams.length, 2);
  for (const [index, id] of [...streams, ...queues].entries()) key.writeUInt32LE(id, 6 + 4 * index);
  const bytes =
    varintLength(key.length) + key.length + varintLength(content.length) + content.length + varintLength(0);
  const entry = Buffer.alloc(bytes);
  let at = writeVarint(entry, 0, key.length);
  at += key.copy(entry, at);
  at = writeVarint(entry, at, content.length);
  at += content.copy(entry, at);
  writeVarint(entry, at, 0);
  return entry;
}

describe('entries of outboxes that earlier versions wrote', () => {
  it('name streams by a partition, and are read', () => {
    const messageView = new MessageView();
    messageView.protocol = amqp091Codec.source;
    messageView.key = Buffer.from('k');
    messageView.keyEnd = 1;
    messageView.body = Buffer.from('body');
    messageView.bodyEnd = 4;
    const content = Buffer.alloc(messageView.contentBytes());
    messageView.write(content, 0);
    const entry = streamMessageEntry([7, 8], [9], content);
    const view = new EntryView();
    view.parse(entry, 0, entry.length);
    assert.equal(view.kind, 'message');
    assert.deepEqual([[...view.streamIds()], [...view.queueIds()]], [[7, 8], [9]]);
    assert.ok(view.content.equals(content));
  });
});
