import { memoryAlarm, size, sizeOrAuto } from '../setting-types.ts';
import { MIB, setting } from './definition.ts';

/** What is kept in memory, and when publishers and clients have to wait for it. */
export const MEMORY = {
  memoryLimitBytes: setting({
    key: 'memory-limit',
    type: size(8 * MIB),
    default: 64 * MIB,
    description: 'Memory for recent messages. Older messages that wait are read from the disk.',
  }),
  clientMemoryBytes: setting({
    key: 'client-memory-limit',
    type: sizeOrAuto(MIB),
    default: null,
    description:
      'Memory for what clients have begun to send and not finished, and for what they do not read: all of them together. ' +
      'Beyond it nothing more of the kind is read, and those over their own share are disconnected. auto = a third of ' +
      'memory-high-water-mark.',
  }),
  clientMemoryPerUserBytes: setting({
    key: 'client-memory-per-user',
    type: sizeOrAuto(MIB),
    default: null,
    description:
      "The share of client-memory-limit of one user's connections. Beyond it they are read one at a time, and a connection " +
      'that has waited for a minute is closed. auto = a quarter of client-memory-limit. Raise it where one user has many ' +
      'connections that send large messages.',
  }),
  memoryHighWaterMark: setting({
    key: 'memory-high-water-mark',
    type: memoryAlarm,
    default: { fraction: 0.6 },
    description:
      'Memory of the whole process above which publishers are blocked; free pages of its heap do not count, and garbage is ' +
      'collected first. They go on below 95 % of it. They are blocked too while the heap of Node is three quarters full. A part is one of the memory of the machine, or of the container ' +
      '(cgroup) if that is less.',
  }),
};
