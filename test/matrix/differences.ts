/** Where Sluice does not do as RabbitMQ 3.10 does, and why. Everything that is not here has to be the same. */
export interface Difference {
  /** The first cell of the row of docs/amqp-compatibility.md that tells users: it may not say that all is the same. */
  readonly row: string;
  readonly why: string;
  /** Which cases: a pattern of their ids. */
  readonly cases: RegExp;
  /** What Sluice answers instead: a pattern for its lines, joined. */
  readonly ours: RegExp;
  /** And RabbitMQ, if it is not any answer. */
  readonly theirs?: RegExp;
}

/** What is not as it should be, and known. An entry goes when it is. */
export const unfinished: readonly Difference[] = [];

export const differences: readonly Difference[] = [
  {
    row: '`exchange.declare`, `delete`, `bind`, `unbind`',
    why: 'An unknown exchange type ends the channel, as in RabbitMQ 4; 3.10 ended the connection.',
    cases: /^exchange\.declare .* (a type that nobody knows|no type)/,
    ours: /^channel\.close (406 exchange\.declare \| PRECONDITION_FAILED - unknown exchange type|403)/,
  },
  {
    row: '`connection.*`, heartbeats, `tune`',
    why:
      'Who does something wrong before the end of the handshake is told at once what it was. RabbitMQ logs it, and ' +
      'ends the connection without a word some seconds later.',
    cases: /^(connection\.|frame )/,
    ours: /^(connection\.close (50[1-5]|530) \S+ \| |closed$)/,
    theirs: /^$/,
  },
  {
    row: '`connection.*`, heartbeats, `tune`',
    why: 'A client may close the connection at any time (AMQP 2.2.4).',
    cases: /^connection\.close \/ none \/ before/,
    ours: /^connection\.close-ok$/,
  },
  {
    row: 'The header of AMQP 0-8',
    why: 'The version of the protocol is 0-9-1, or 0-9 for old clients. RabbitMQ also takes the header of 0-8.',
    cases: /^frame .* the header of AMQP 0-8$/,
    ours: /^protocol header 00000901; closed$/,
  },
  {
    row: '`channel.open`, `close`',
    why: 'The number of a channel may not be beyond channel-max (AMQP 1.4.2.6.1). RabbitMQ only counts them.',
    cases: /^channel\.open .* beyond channel-max$/,
    ours: /^connection\.close 530 channel\.open \| NOT_ALLOWED - channel 2048 is beyond/,
  },
  {
    row: '`basic.nack`, `basic.reject`, `basic.recover` of messages of a stream',
    why:
      'A stream keeps its messages whatever is said of them: any answer gives credit. RabbitMQ ends the connection for it, ' +
      'and with an internal error for basic.recover.',
    cases: /^basic\.(nack|reject|recover) .* a message of a stream/,
    ours: /^(basic\.recover-ok)?$/,
    theirs: /^connection\.close 54[01] /,
  },
  {
    row: '`channel.flow` with `active=false`',
    why: 'channel.flow with active=false is built: the deliveries stop.',
    cases: /^channel\.flow \/ none \/ stop$/,
    ours: /^channel\.flow-ok \{"active":false\}$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'What is wrong with a frame is said in words; RabbitMQ shows its octets in Erlang. The code is the same.',
    cases: /^frame |with an octet too|a header that is too short/,
    ours: /^connection\.close (50[15]) \S+ \| (FRAME_ERROR|UNEXPECTED_FRAME) - /,
    theirs: /^connection\.close (50[15]) .*(all octets|cannot decode|\{frame_too_large)/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'What methods there are not is said; RabbitMQ ends the connection without a word.',
    cases: /^frame .* (a class that is none|a method that its class has not)/,
    ours: /^connection\.close 503 \S+ \| COMMAND_INVALID - there is no method/,
    theirs: /^closed$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'A body that is longer than announced is an error. RabbitMQ waits for the end of the message for ever.',
    cases: /^basic\.publish .* longer than announced/,
    ours: /^connection\.close 501 basic\.publish \| FRAME_ERROR - a body of/,
    theirs: /^$/,
  },
  {
    row: 'Size',
    why: 'A message that is too large is refused when that is known. RabbitMQ looks when all of it has come.',
    cases: /^basic\.publish .* a (huge body|body announced that no number)/,
    ours: /PRECONDITION_FAILED - message size|FRAME_ERROR - content header: the body size/,
    theirs: /^$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why:
      'Properties that cannot be decoded are refused when the message comes, with a reason. RabbitMQ fails with an ' +
      'internal error, or passes them on to consumers.',
    cases: /^basic\.publish .* a header (with|table)/,
    ours: /^connection\.close 501 basic\.publish \| FRAME_ERROR - properties: /,
    theirs: /INTERNAL_ERROR|^$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'The weight of a content header is not used for anything (AMQP 4.2.6.1), and not looked at.',
    cases: /^basic\.publish .* a header with a weight$/,
    ours: /^$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'No delivery tag is beyond 2^53: such a number is malformed.',
    cases: /^basic\.ack .* the highest tag that there is$/,
    ours: /^connection\.close 501 basic\.ack/,
  },
  {
    row: '`channel.open`, `close`',
    why: 'On a channel that the server has closed, all is ignored until close-ok (AMQP 1.5.2.5).',
    cases: /^channel\.open \/ state \/ after the end of the channel$/,
    ours: /^$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'A method that only a server sends is refused at once. RabbitMQ waits for its content first.',
    cases: /^basic\.(return|deliver|get-ok) \/ state \/ (from a client|on a channel that is not open)$/,
    ours: /^connection\.close 50[34] \S+ \| /,
    theirs: /^$/,
  },
  {
    row: '`x-delivery-limit`',
    why: 'Every queue can have a delivery limit, not only one of type quorum.',
    cases: /^queue\.declare .* a delivery limit without a quorum queue$/,
    ours: /^queue\.declare-ok/,
  },
  {
    row: '`x-queue-mode`, `x-queue-version`, `x-max-in-memory-*`, `x-quorum-initial-group-size`, locators',
    why: 'A locator that is none is an error of the client. RabbitMQ fails with an internal error.',
    cases: /^queue\.declare .* x-queue-master-locator/,
    ours: /^channel\.close 406 queue\.declare \| PRECONDITION_FAILED - invalid arg/,
    theirs: /INTERNAL_ERROR/,
  },
  {
    row: '`expiration`',
    why: "Erlang's way to break long terms into lines is not followed.",
    cases: /^basic\.publish .* with an expiration that is very large$/,
    ours: /\{value_too_large,9+\}$/,
  },
  {
    row: 'Malformed frames, wrong order, wrong arguments',
    why: 'A method of the connection that cannot be decoded is told so. RabbitMQ fails with an internal error.',
    cases: /^connection\.\S+ \/ argument \/ on an open connection, with an octet too many$/,
    ours: /^connection\.close 501 \S+ \| FRAME_ERROR - /,
    theirs: /INTERNAL_ERROR/,
  },
  {
    row: 'Publisher confirms',
    why: 'A basic.nack from the server is for each message; RabbitMQ says `multiple` of one, too.',
    cases: /^basic\.publish .* to a full queue that rejects/,
    ours: /^basic\.nack \{"deliveryTag":1,"multiple":false,"requeue":true\}$/,
    theirs: /^basic\.nack \{"deliveryTag":1,"multiple":true,"requeue":true\}$/,
  },
];
