const LINE_BREAKS = /[\r\n]/g;

/**
 * RabbitMQ takes line breaks out of names that are declared or deleted, as those read from a file often end with one;
 * and out of no other names.
 */
export function withoutLineBreaks(name: string): string {
  return name.replace(LINE_BREAKS, '');
}
