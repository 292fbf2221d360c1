import type { Timer } from '../../src/base/scheduler.ts';
import { VirtualTime } from '../broker/groups/virtual-time.ts';
import { until } from './until.ts';

/**
 * Time for a real server that goes on when a test lets it pass: no timeout is over before, however long the machine takes, nor has
 * to be waited for. What is for the next turn of the event loop comes then.
 */
export class DrivenTime extends VirtualTime {
  /** Lets time pass until it is so. */
  async passUntil(isSo: () => boolean): Promise<void> {
    await until(() => {
      this.pass(10);
      return isSo();
    });
  }

  override soon(run: () => void): void {
    setImmediate(run);
  }

  override after(ms: number, run: () => void): Timer {
    if (ms > 0) return super.after(ms, run);
    const immediate = setImmediate(run);
    return { cancel: () => clearImmediate(immediate) };
  }
}
