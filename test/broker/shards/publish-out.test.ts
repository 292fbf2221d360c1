import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { FRAME_PUBLISH } from '../../../src/broker/doors/frame-kinds.ts';
import {
  MESSAGE_HEAD_BYTES,
  MESSAGE_QUEUES_AT,
  PUBLISH_HEAD_BYTES,
} from '../../../src/broker/doors/publish-frames.ts';
import { createDoors, Seat } from '../../../src/broker/doors/seat.ts';
import { PublishOut } from '../../../src/broker/shards/publish-out.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { until } from '../../support/until.ts';
import { fillView, TestBroker } from '../test-broker.ts';

it('a message for more queues than two bytes can count names each of them', async () => {
  await using test = await TestBroker.start();
  const doors = createDoors(2);
  const [here, there] = [0, 1].map((number) => new Seat(number, doors, systemClock, systemScheduler));
  const frames: Buffer[] = [];
  there.rooms[0]?.door.receive(FRAME_PUBLISH, {
    frame: (_kind, buffer, start, end) => {
      frames.push(Buffer.from(buffer.subarray(start, end)));
      return true;
    },
  });
  const metadata = { number: 0, whenKnown: (_number: number, run: () => void) => run() };
  const room = here.rooms[1];
  assert.ok(room !== undefined);
  const out = new PublishOut(room, test.broker.shard, metadata, () => undefined);
  const queues = Array.from({ length: 70_000 }, (_, i) => ({ id: i + 1, isPaused: false }));
  const view = new MessageView();
  fillView(view, 'k', 'to all');
  out.add(queues, view, true, 0);
  await until(() => frames.length === 1);
  const [frame] = frames;
  assert.equal(frame.readUInt32LE(PUBLISH_HEAD_BYTES + MESSAGE_QUEUES_AT), queues.length);
  const last = PUBLISH_HEAD_BYTES + MESSAGE_HEAD_BYTES + 4 * (queues.length - 1);
  assert.equal(frame.readUInt32LE(last), 70_000);
  assert.ok(frame.subarray(last + 4).includes('to all'));
  here.close();
  there.close();
});
