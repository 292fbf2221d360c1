const LINE_BREAKS = /[\r\n]/g;

/**
 * As RabbitMQ does with names that are declared or deleted: who reads them from a file often has the end of the line in
 * them. Where names are used otherwise they stay as they are, there and here.
 */
export function withoutLineBreaks(name: string): string {
  return name.replace(LINE_BREAKS, '');
}
