import type { MessageView } from './message-view.ts';
import { ContentView } from './record-content.ts';

const view = new ContentView();

/** A content that was put together before, taken apart again: `target` is filled with where its parts are. */
export function parseContent(content: Buffer, target: MessageView): MessageView {
  view.parse(content, 0, content.length);
  target.content = null;
  target.key = content;
  target.keyStart = view.keyStart < 0 ? 0 : view.keyStart;
  target.keyEnd = view.keyStart < 0 ? 0 : view.keyEnd;
  target.body = content;
  target.bodyStart = view.bodyStart;
  target.bodyEnd = view.bodyEnd;
  target.exchange = content;
  target.exchangeStart = view.exchangeStart;
  target.exchangeEnd = view.exchangeEnd;
  target.properties = content;
  target.propertiesStart = view.propertiesStart;
  target.propertiesEnd = view.propertiesEnd;
  target.protocol = view.sourceProtocol;
  target.ttlMs = view.ttlMs;
  target.priority = view.priority;
  target.delayMs = view.delayMs;
  return target;
}
