import { ExpectedError } from '../../base/expected-error.ts';

/** An attempt to log in that failed: the text is for the client, and says nothing about who there is. */
export class SaslError extends ExpectedError {
  constructor(message: string) {
    super(message);
    this.name = 'SaslError';
  }
}
