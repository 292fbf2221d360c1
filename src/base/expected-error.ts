/**
 * What is wrong with something that came from outside. The message says all there is to say, so that the stack is left
 * out: to take it down costs more than everything else that is done for a bad request, and there may be storms of them.
 */
export class ExpectedError extends Error {
  constructor(message: string) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** One that callers tell apart by what kind of fault it is: each layer has its own kinds. */
export class KindError<Kind extends string> extends ExpectedError {
  readonly kind: Kind;

  constructor(kind: Kind, message: string) {
    super(message);
    this.kind = kind;
  }
}
