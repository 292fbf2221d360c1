import { BrokerError } from '../errors.ts';

/** A partition cannot be read at this place: a file of it is corrupt. Everything else goes on. */
export class PartitionCorruption extends BrokerError {
  constructor(stream: string, partition: number, cause: Error) {
    super('internal-error', `partition ${partition} of stream '${stream}' is damaged: ${cause.message}`);
    this.name = 'PartitionCorruption';
    this.cause = cause;
  }
}
