import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { KAFKA_CLASS_PATH } from '../../../bench/kafka-install.ts';
import type { Copier, CopyJob } from './copier.ts';

const TRANSACTION_RECORDS = 500;
const HEAP = '-Xmx192m';
const OUTPUT_MAX = 4000;

/**
 * Kafka's own program for this test, which aborts every third transaction. It lives as long as there is something to
 * copy, and looks for the broker itself.
 */
export class KafkaCopier implements Copier {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #isStopped = false;
  #output = '';

  constructor({ source, target, partition, group, transactionalId }: CopyJob, port: number) {
    const args = [
      ['-cp', KAFKA_CLASS_PATH],
      'org.apache.kafka.tools.TransactionalMessageCopier',
      ['--broker-list', `127.0.0.1:${port}`],
      ['--input-topic', source, '--input-partition', String(partition), '--output-topic', target],
      ['--consumer-group', group, '--transactional-id', transactionalId],
      ['--transaction-size', String(TRANSACTION_RECORDS)],
      ['--enable-random-aborts', '--use-group-metadata'],
    ].flat();
    this.#child = spawn('java', [HEAP, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_MAX);
      });
    }
  }

  get error(): unknown {
    const { exitCode, signalCode } = this.#child;
    if (this.#isStopped || exitCode === 0 || (exitCode === null && signalCode === null)) return null;
    return new Error(`the copier has ended (${exitCode ?? signalCode}): ${this.#output}`);
  }

  describe(): string {
    const { exitCode, signalCode } = this.#child;
    return `${exitCode === null && signalCode === null ? 'at work' : 'ended'}: ${this.#output}`;
  }

  brokerStarted(): void {
    // It finds out.
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
