import {
  attributesLength,
  bodyLengthAt,
  type ContentFields,
  ContentView,
  contentLength,
  writeContent,
} from './record-content.ts';

const NOTHING = Buffer.alloc(0);

/**
 * A message on its way in: where its parts are, in buffers that belong to someone else. One instance is used again
 * for every message, so that publishing makes no garbage. The bytes are copied by `write`, once.
 */
export class MessageView implements ContentFields {
  key: Buffer = NOTHING;
  keyStart = 0;
  keyEnd = 0;
  body: Buffer = NOTHING;
  bodyStart = 0;
  bodyEnd = 0;
  exchange: Buffer = NOTHING;
  exchangeStart = 0;
  exchangeEnd = 0;
  properties: Buffer = NOTHING;
  propertiesStart = 0;
  propertiesEnd = 0;
  /** One of the SOURCE_ numbers of `record-content.ts`. */
  protocol = 0;
  /** How long the message may wait in a queue; -1 for as long as it takes. */
  ttlMs = -1;
  priority = 0;
  /** How long it waits before it is routed; -1 for not at all. */
  delayMs = -1;
  /** Routing keys that receivers do not get to see; empty for none. */
  hiddenKeys: Buffer = NOTHING;
  hiddenKeysStart = 0;
  hiddenKeysEnd = 0;
  /** A content that is complete already; the parts do not count then. */
  content: Buffer | null = null;
  /** Where it is in that buffer; -1 for the end of the buffer. */
  contentStart = 0;
  contentEnd = -1;

  /** The parts of a content that lies in this buffer, and that `view` has parsed. */
  takeContent(buffer: Buffer, view: ContentView): void {
    this.content = null;
    this.key = buffer;
    this.keyStart = view.keyStart < 0 ? 0 : view.keyStart;
    this.keyEnd = view.keyStart < 0 ? 0 : view.keyEnd;
    this.body = buffer;
    this.bodyStart = view.bodyStart;
    this.bodyEnd = view.bodyEnd;
    this.exchange = buffer;
    this.exchangeStart = view.exchangeStart;
    this.exchangeEnd = view.exchangeEnd;
    this.properties = buffer;
    this.propertiesStart = view.propertiesStart;
    this.propertiesEnd = view.propertiesEnd;
    this.protocol = view.sourceProtocol;
    this.ttlMs = view.ttlMs;
    this.priority = view.priority;
    this.delayMs = view.delayMs;
    this.hiddenKeys = buffer;
    this.hiddenKeysStart = view.hiddenKeysStart;
    this.hiddenKeysEnd = view.hiddenKeysEnd;
  }

  contentBytes(): number {
    if (this.content !== null) {
      return (this.contentEnd < 0 ? this.content.length : this.contentEnd) - this.contentStart;
    }
    return contentLength(
      this.keyEnd - this.keyStart,
      this.bodyEnd - this.bodyStart,
      this.exchangeEnd - this.exchangeStart,
      this.propertiesEnd - this.propertiesStart,
      attributesLength(this.ttlMs, this.priority, this.delayMs, this.hiddenKeysEnd - this.hiddenKeysStart),
    );
  }

  get bodyBytes(): number {
    return this.content === null
      ? this.bodyEnd - this.bodyStart
      : bodyLengthAt(this.content, this.contentStart);
  }

  /** The content at `at` of `target`; returns the position after it. */
  write(target: Buffer, at: number): number {
    if (this.content !== null) {
      const end = this.contentEnd < 0 ? this.content.length : this.contentEnd;
      return at + this.content.copy(target, at, this.contentStart, end);
    }
    return writeContent(target, at, this);
  }

  /** Lets go of the buffers. */
  clear(): void {
    this.content = null;
    this.contentStart = 0;
    this.contentEnd = -1;
    this.key = NOTHING;
    this.body = NOTHING;
    this.exchange = NOTHING;
    this.properties = NOTHING;
    this.hiddenKeys = NOTHING;
    this.hiddenKeysStart = 0;
    this.hiddenKeysEnd = 0;
  }
}

const contentView = new ContentView();

/** Fills `target` with where the parts of a finished content are; returns it. */
export function parseContent(content: Buffer, target: MessageView): MessageView {
  const view = contentView;
  view.parse(content, 0, content.length);
  target.takeContent(content, view);
  return target;
}
