import { type ContentView, SOURCE_AMQP091 } from '../../../records/record-content.ts';

/** No flags, and so no properties. */
const NO_PROPERTIES = Buffer.from([0, 0]);

/** Property bytes, as a range: one instance is used again and again. */
export class PropertyBytes {
  buffer: Buffer = NO_PROPERTIES;
  start = 0;
  end = 2;

  /**
   * Of a message in `source`. Those of AMQP's own messages are as they came; what another protocol wrote has to be
   * converted here, once there is another protocol.
   */
  find(source: Buffer, view: ContentView): void {
    if (view.sourceProtocol === SOURCE_AMQP091) {
      this.buffer = source;
      this.start = view.propertiesStart;
      this.end = view.propertiesEnd;
    } else {
      this.buffer = NO_PROPERTIES;
      this.start = 0;
      this.end = 2;
    }
  }
}
