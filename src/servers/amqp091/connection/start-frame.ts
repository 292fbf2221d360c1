import { FrameWriter } from '../../../wire/amqp091/frames.ts';
import { encodeMethod } from '../../../wire/amqp091/methods.ts';
import { serverProperties } from './capabilities.ts';

/** connection.start, encoded once for each list of mechanisms: it is the same for all connections of a server. */
export class StartFrame {
  readonly #version: string;
  readonly #byMechanisms = new Map<string, Buffer>();

  constructor(version: string) {
    this.#version = version;
  }

  of(mechanisms: string): Buffer {
    let frame = this.#byMechanisms.get(mechanisms);
    if (frame === undefined) this.#byMechanisms.set(mechanisms, (frame = this.#encode(mechanisms)));
    return frame;
  }

  #encode(mechanisms: string): Buffer {
    const writer = new FrameWriter();
    encodeMethod(writer, 0, {
      name: 'connection.start',
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: serverProperties(this.#version),
      mechanisms,
      locales: 'en_US',
    });
    return Buffer.from(writer.take());
  }
}
