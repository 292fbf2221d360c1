import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { encodeProperties, type Properties } from '../../../src/wire/amqp091/properties.ts';

/** The bytes of properties, as they stand in a content header behind the body size. */
export function encoded(properties: Properties): Buffer {
  const writer = new FrameWriter();
  encodeProperties(writer, properties);
  return writer.take();
}
