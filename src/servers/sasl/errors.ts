import { ExpectedError } from '../../base/expected-error.ts';

/** A failed authentication. The message goes to the client, and does not tell which users exist. */
export class SaslError extends ExpectedError {
  constructor(message: string) {
    super(message);
    this.name = 'SaslError';
  }
}
