/**
 * The records of a batch are not what its header or they themselves promise: what a producer sent is not looked at but
 * where it has to be. The message names the batch by its base offset, and the record by its number from 1 on.
 */
export class RecordFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RecordFormatError';
  }
}
