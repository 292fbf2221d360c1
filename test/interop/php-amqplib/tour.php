<?php

// What an application relies on, with php-amqplib: each step is one thing that it does, and checks that it came out so.
// The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
// RabbitMQ too.

require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPAbstractCollection as Field;
use PhpAmqpLib\Wire\AMQPDecimal;
use PhpAmqpLib\Wire\AMQPTable;

const PATIENCE_S = 10;

function connect(): AMQPStreamConnection
{
    $url = parse_url(getenv('AMQP_URL') ?: 'amqp://guest:guest@127.0.0.1:5672/');
    return new AMQPStreamConnection($url['host'], $url['port'] ?? 5672, $url['user'], $url['pass']);
}

function check(string $what, bool $condition, string $details = ''): void
{
    if (!$condition) {
        echo "FAILED $what: $details\n";
        exit(1);
    }
}

function equal(string $what, $actual, $expected): void
{
    $details = 'expected ' . var_export($expected, true) . ', got ' . var_export($actual, true);
    check($what, $actual === $expected, $details);
}

function publish(AMQPChannel $channel, string $queue, string $body, array $properties = []): void
{
    $channel->basic_publish(new AMQPMessage($body, $properties), '', $queue);
}

/** Takes the next message of a queue, and waits for it if need be. */
function get(AMQPChannel $channel, string $queue): AMQPMessage
{
    for ($i = 0; $i < PATIENCE_S * 100; $i++) {
        $message = $channel->basic_get($queue, true);
        if ($message !== null) {
            return $message;
        }
        usleep(10_000);
    }
    check('a message comes', false, $queue);
}

function drain(AMQPChannel $channel, string $queue): array
{
    $bodies = [];
    while (($message = $channel->basic_get($queue, true)) !== null) {
        $bodies[] = $message->getBody();
    }
    return $bodies;
}

function declare_exclusive(AMQPChannel $channel, array $arguments = [], string $name = ''): string
{
    [$queue] = $channel->queue_declare(
        $name,
        exclusive: true,
        auto_delete: false,
        arguments: new AMQPTable($arguments)
    );
    return $queue;
}

function count_ready(AMQPChannel $channel, string $queue): int
{
    [, $messages] = $channel->queue_declare($queue, passive: true);
    return $messages;
}

$steps = [];

$steps['a topic exchange routes to the queue that is bound, and every message is confirmed'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $confirmed = 0;
        $channel->set_ack_handler(function () use (&$confirmed): void {
            $confirmed++;
        });
        $channel->confirm_select();
        $channel->exchange_declare('tour.orders', 'topic', durable: true, auto_delete: false);
        $channel->queue_declare('tour.invoices', durable: true, auto_delete: false);
        $channel->queue_bind('tour.invoices', 'tour.orders', 'order.*.paid');
        for ($number = 0; $number < 10; $number++) {
            $message = new AMQPMessage("$number", ['delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT]);
            $channel->basic_publish($message, 'tour.orders', "order.$number.paid");
        }
        $channel->basic_publish(new AMQPMessage('for nobody'), 'tour.orders', 'order.1.cancelled');
        $channel->wait_for_pending_acks(PATIENCE_S);
        equal('the confirms', $confirmed, 11);
        equal('the bodies', drain($channel, 'tour.invoices'), array_map('strval', range(0, 9)));
        $channel->queue_delete('tour.invoices');
        $channel->exchange_delete('tour.orders');
    };

$steps['what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $queue = declare_exclusive($channel);
        publish($channel, $queue, 'first');
        publish($channel, $queue, 'second');
        $seen = [];
        $channel->basic_qos(0, 1, false);
        $channel->basic_consume($queue, callback: function (AMQPMessage $message) use (&$seen): void {
            $seen[] = [$message->getBody(), $message->isRedelivered()];
            if (count($seen) === 1) {
                $message->nack(requeue: true);
            } else {
                $message->ack();
            }
        });
        while (count($seen) < 3) {
            $channel->wait(null, false, PATIENCE_S);
        }
        equal('the deliveries', $seen, [['first', false], ['first', true], ['second', false]]);
        equal('what is left', drain($channel, $queue), []);
    };

$steps['headers of every type that php-amqplib writes come out as they went in'] =
    function (AMQPStreamConnection $connection): void {
        $headers = new AMQPTable();
        $headers->set('text', 'größer als 日本');
        $headers->set('bytes', "\x00\x01\xff", Field::T_BYTES);
        $headers->set('yes', true);
        $headers->set('no', false);
        $headers->set('int8', -128, Field::T_INT_SHORTSHORT);
        $headers->set('uint8', 255, Field::T_INT_SHORTSHORT_U);
        $headers->set('int16', -32768, Field::T_INT_SHORT);
        $headers->set('uint16', 65535, Field::T_INT_SHORT_U);
        $headers->set('int32', -2147483648, Field::T_INT_LONG);
        $headers->set('uint32', 4294967295, Field::T_INT_LONG_U);
        $headers->set('int64', -4611686018427387904, Field::T_INT_LONGLONG);
        $headers->set('decimal', new AMQPDecimal(31415, 2));
        $headers->set('timestamp', 1_700_000_000, Field::T_TIMESTAMP);
        $headers->set('nothing', null);
        $headers->set('array', ['a', 1, [true, null], ['inner' => 2]]);
        $headers->set('table', ['deeper' => ['deepest' => [1, 2, 3]], 'text' => '']);
        $channel = $connection->channel();
        $queue = declare_exclusive($channel);
        publish($channel, $queue, '{}', [
            'application_headers' => $headers,
            'content_type' => 'application/json',
            'message_id' => '7',
            'type' => 'kind',
        ]);
        $message = get($channel, $queue);
        // With the types of the fields, and not only their values.
        $received = $message->get('application_headers');
        check('the headers', iterator_to_array($received) == iterator_to_array($headers), var_export($received, true));
        $properties = [$message->get('content_type'), $message->get('message_id'), $message->get('type')];
        equal('the properties', $properties, ['application/json', '7', 'kind']);
    };

$steps['a transaction that is rolled back leaves nothing, and one that is committed all'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $watcher = $connection->channel();
        $queue = declare_exclusive($channel);
        $channel->tx_select();
        publish($channel, $queue, 'rolled back');
        $channel->tx_rollback();
        publish($channel, $queue, 'one');
        publish($channel, $queue, 'two');
        equal('before the commit', count_ready($watcher, $queue), 0);
        $channel->tx_commit();
        equal('after the commit', count_ready($watcher, $queue), 2);
        $message = $channel->basic_get($queue);
        $message->ack();
        $channel->tx_commit();
        equal('what was acknowledged', $message->getBody(), 'one');
        equal('what is left', drain($watcher, $queue), ['two']);
    };

/** The other side of a remote call: answers each request with its body in capitals. */
function serve(AMQPChannel $channel): string
{
    $requests = declare_exclusive($channel);
    $channel->basic_consume($requests, callback: function (AMQPMessage $request) use ($channel): void {
        $properties = ['correlation_id' => $request->get('correlation_id')];
        publish($channel, $request->get('reply_to'), strtoupper($request->getBody()), $properties);
        $request->ack();
    });
    return $requests;
}

/** Sends a request and waits for the reply. */
function call(AMQPChannel $channel, string $replies): array
{
    $requests = serve($channel);
    $reply = null;
    $channel->basic_consume($replies, no_ack: true, callback: function (AMQPMessage $message) use (&$reply): void {
        $reply = [$message->get('correlation_id'), $message->getBody()];
    });
    publish($channel, $requests, 'question', ['reply_to' => $replies, 'correlation_id' => 'call 1']);
    while ($reply === null) {
        $channel->wait(null, false, PATIENCE_S);
    }
    return $reply;
}

$steps['a remote call is answered through a reply queue'] = function (AMQPStreamConnection $connection): void {
    $channel = $connection->channel();
    equal('the reply', call($channel, declare_exclusive($channel)), ['call 1', 'QUESTION']);
};

$steps['a remote call is answered through direct reply-to'] = function (AMQPStreamConnection $connection): void {
    equal('the reply', call($connection->channel(), 'amq.rabbitmq.reply-to'), ['call 1', 'QUESTION']);
};

$steps['a mandatory message that reaches no queue comes back'] = function (AMQPStreamConnection $connection): void {
    $channel = $connection->channel();
    $returned = null;
    $channel->set_return_listener(function (...$arguments) use (&$returned): void {
        $returned = $arguments;
    });
    $channel->basic_publish(new AMQPMessage('come back'), 'amq.direct', 'tour.nowhere', mandatory: true);
    while ($returned === null) {
        $channel->wait(null, false, PATIENCE_S);
    }
    [$code, $text, $exchange, $key, $message] = $returned;
    equal('the code', [$code, $text], [312, 'NO_ROUTE']);
    equal('the message', [$exchange, $key, $message->getBody()], ['amq.direct', 'tour.nowhere', 'come back']);
};

/** The headers by which a message tells how it died. */
function check_dead_letter(array $headers, string $queue): array
{
    equal('how often', count($headers['x-death']), 1);
    [$death] = $headers['x-death'];
    equal('the reason', [$death['reason'], $death['count']], ['expired', 1]);
    equal('where it died', [$death['queue'], $death['exchange'], $death['routing-keys']], [$queue, '', [$queue]]);
    check('when', abs($death['time']->getTimestamp() - time()) < 60, var_export($death, true));
    $first = [$headers['x-first-death-reason'], $headers['x-first-death-queue'], $headers['x-first-death-exchange']];
    equal('the first death', $first, ['expired', $queue, '']);
    return $death;
}

$steps['a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $dead = declare_exclusive($channel);
        $channel->queue_bind($dead, 'amq.direct', 'tour.dead');
        $queue = declare_exclusive($channel, [
            'x-message-ttl' => 50,
            'x-dead-letter-exchange' => 'amq.direct',
            'x-dead-letter-routing-key' => 'tour.dead',
        ]);
        publish($channel, $queue, 'late', ['application_headers' => new AMQPTable(['mine' => 1])]);
        $message = get($channel, $dead);
        $came = [$message->getExchange(), $message->getRoutingKey(), $message->getBody()];
        equal('the dead letter', $came, ['amq.direct', 'tour.dead', 'late']);
        $headers = $message->get('application_headers')->getNativeData();
        equal('its own header', $headers['mine'], 1);
        check_dead_letter($headers, $queue);
        equal('what is left', drain($channel, $queue), []);
    };

$steps['a message with an expiration of its own dies alone, and loses it on the way'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $channel->exchange_declare('tour.dead', 'fanout', auto_delete: true);
        $dead = declare_exclusive($channel);
        $channel->queue_bind($dead, 'tour.dead');
        $queue = declare_exclusive($channel, ['x-dead-letter-exchange' => 'tour.dead']);
        publish($channel, $queue, 'short', ['expiration' => '50']);
        publish($channel, $queue, 'long', ['expiration' => '60000']);
        $message = get($channel, $dead);
        // Without x-dead-letter-routing-key a message keeps its own.
        $came = [$message->getExchange(), $message->getRoutingKey(), $message->getBody()];
        equal('the dead letter', $came, ['tour.dead', $queue, 'short']);
        equal('an expiration', $message->has('expiration'), false);
        $death = check_dead_letter($message->get('application_headers')->getNativeData(), $queue);
        equal('what it was', $death['original-expiration'], '50');
        equal('what is left', drain($channel, $queue), ['long']);
    };

$steps['a queue with priorities gives the most urgent message first'] =
    function (AMQPStreamConnection $connection): void {
        $channel = $connection->channel();
        $queue = declare_exclusive($channel, ['x-max-priority' => 5]);
        publish($channel, $queue, 'none');
        foreach (['low' => 1, 'high' => 5, 'low too' => 1, 'beyond' => 9] as $body => $priority) {
            publish($channel, $queue, $body, ['priority' => $priority]);
        }
        // More than the highest is the highest; none is the lowest.
        equal('the order', drain($channel, $queue), ['high', 'beyond', 'low', 'low too', 'none']);
    };

$steps['a queue with a length limit drops the oldest'] = function (AMQPStreamConnection $connection): void {
    $channel = $connection->channel();
    $queue = declare_exclusive($channel, ['x-max-length' => 3, 'x-overflow' => 'drop-head']);
    for ($number = 0; $number < 5; $number++) {
        publish($channel, $queue, "$number");
    }
    equal('what is left', drain($channel, $queue), ['2', '3', '4']);
};

$steps['an error closes its channel, says why, and leaves the connection usable'] =
    function (AMQPStreamConnection $connection): void {
        try {
            $connection->channel()->queue_declare('tour.absent', passive: true);
            check('404', false);
        } catch (AMQPProtocolChannelException $error) {
            equal('the code', $error->amqp_reply_code, 404);
            equal('the text', $error->amqp_reply_text, "NOT_FOUND - no queue 'tour.absent' in vhost '/'");
        }
        declare_exclusive($connection->channel(), [], 'tour.kept');
        try {
            declare_exclusive($connection->channel(), ['x-max-length' => 1], 'tour.kept');
            check('406', false);
        } catch (AMQPProtocolChannelException $error) {
            equal('the code', $error->amqp_reply_code, 406);
            $text = "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': " .
                "received the value '1' of type 'signedint' but current is none";
            equal('the text', $error->amqp_reply_text, $text);
        }
        $channel = $connection->channel();
        publish($channel, 'tour.kept', 'still here');
        equal('the queue', get($channel, 'tour.kept')->getBody(), 'still here');
    };

foreach ($steps as $what => $step) {
    $connection = connect();
    $step($connection);
    $connection->close();
    echo "ok $what\n";
}
