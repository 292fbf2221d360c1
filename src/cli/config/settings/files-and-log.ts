import { choice, text } from '../setting-types.ts';
import { setting } from './definition.ts';

/** Where data is, and what is told of it. */
export const FILES_AND_LOG = {
  dataDirectory: setting({
    key: 'data-dir',
    type: text('DIR', 'the path of a directory'),
    default: './sluice-data',
    description: 'Directory of all data. It is made if it is not there. One broker uses it at a time.',
  }),
  logLevel: setting({
    key: 'log-level',
    type: choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    default: 'info',
    description:
      'Lowest level of log entries that are written. The log goes to standard error, one JSON object per line.',
  }),
};
