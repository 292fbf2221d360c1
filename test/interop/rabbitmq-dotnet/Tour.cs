using System;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

/// What an application relies on, with RabbitMQ.Client: each step is one thing that it does, and checks that it came
/// out so. The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds
/// for RabbitMQ too.
///
/// This is the version that comes with Debian's Mono. It speaks AMQP 0-9, which RabbitMQ takes for 0-9-1, and is older
/// than confirms and basic.nack: transactions and basic.reject stand in for them.
static class Tour
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    static void Main()
    {
        Step("a topic exchange routes to the queue that is bound", PublishAndBind);
        Step("what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone",
            AcknowledgeAndRequeue);
        Step("headers of every type that the client writes come out as they went in", HeadersRoundTrip);
        Step("a transaction that is rolled back leaves nothing, and one that is committed all", Transactions);
        Step("a remote call is answered through a reply queue", RemoteCall);
        Step("a remote call is answered through direct reply-to", RemoteCallWithoutAQueue);
        Step("a mandatory message that reaches no queue comes back", Mandatory);
        Step("a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why",
            DeadLettersByQueueTtl);
        Step("a message with an expiration of its own dies alone, and loses it on the way", DeadLettersByExpiration);
        Step("a queue with priorities gives the most urgent message first", Priorities);
        Step("a queue with a length limit drops the oldest", LengthLimit);
        Step("an error closes its channel, says why, and leaves the connection usable", Errors);
    }

    static void Step(string what, Action<IConnection> run)
    {
        var url = Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@127.0.0.1:5672/";
        var uri = new Uri(url);
        var user = uri.UserInfo.Split(':');
        var factory = new ConnectionFactory
        {
            Protocol = Protocols.AMQP_0_9,
            HostName = uri.Host,
            Port = uri.Port,
            UserName = user[0],
            Password = user[1],
        };
        using (var connection = factory.CreateConnection()) run(connection);
        Console.WriteLine("ok " + what);
    }

    static void Check(string what, bool condition, object details)
    {
        if (condition) return;
        Console.WriteLine("FAILED {0}: {1}", what, details);
        Environment.Exit(1);
    }

    /// Compares by what is shown, which is enough for what a message may hold.
    static void Equal(string what, object actual, object expected)
    {
        Check(what, Show(actual) == Show(expected), "expected " + Show(expected) + ", got " + Show(actual));
    }

    static string Show(object value)
    {
        if (value == null) return "nothing";
        // The client reads texts as bytes.
        if (value is string) return Show(Encoding.UTF8.GetBytes((string)value));
        if (value is byte[]) return '"' + Encoding.UTF8.GetString((byte[])value) + '"';
        var table = value as IDictionary;
        if (table != null)
        {
            var keys = table.Keys.Cast<string>().OrderBy(key => key, StringComparer.Ordinal);
            return "{" + string.Join(", ", keys.Select(key => key + ": " + Show(table[key]))) + "}";
        }
        var list = value as IEnumerable;
        if (list != null) return "[" + string.Join(", ", list.Cast<object>().Select(Show)) + "]";
        return value.GetType().Name + " " + Convert.ToString(value, CultureInfo.InvariantCulture);
    }

    static IDictionary Table(params object[] namesAndValues)
    {
        var table = new Hashtable();
        for (var i = 0; i < namesAndValues.Length; i += 2) table.Add((string)namesAndValues[i], namesAndValues[i + 1]);
        return table;
    }

    static string Declare(IModel channel, string queue, params object[] arguments)
    {
        const bool passive = false, durable = false, exclusive = true, autoDelete = false, nowait = false;
        return channel.QueueDeclare(queue, passive, durable, exclusive, autoDelete, nowait, Table(arguments));
    }

    static string ExclusiveQueue(IModel channel, params object[] arguments)
    {
        return Declare(channel, "", arguments);
    }

    static void Publish(IModel channel, string queue, string body, Action<IBasicProperties> set = null)
    {
        var properties = channel.CreateBasicProperties();
        if (set != null) set(properties);
        channel.BasicPublish("", queue, properties, Encoding.UTF8.GetBytes(body));
    }

    static string Text(byte[] body)
    {
        return Encoding.UTF8.GetString(body);
    }

    static T Take<T>(BlockingCollection<T> inbox)
    {
        T next;
        Check("something arrives", inbox.TryTake(out next, Patience), "nothing came for " + Patience);
        return next;
    }

    /// Takes the next message of a queue, and waits for it if need be.
    static BasicGetResult Get(IModel channel, string queue)
    {
        for (var end = DateTime.UtcNow + Patience; DateTime.UtcNow < end; Thread.Sleep(10))
        {
            var message = channel.BasicGet(queue, true);
            if (message != null) return message;
        }
        Check("a message comes", false, queue);
        return null;
    }

    static string Drain(IModel channel, string queue)
    {
        var bodies = new List<string>();
        for (BasicGetResult message; (message = channel.BasicGet(queue, true)) != null;) bodies.Add(Text(message.Body));
        return string.Join(", ", bodies);
    }

    static void PublishAndBind(IConnection connection)
    {
        var channel = connection.CreateModel();
        channel.ExchangeDeclare("tour.orders", "topic", true);
        channel.QueueDeclare("tour.invoices", true);
        channel.QueueBind("tour.invoices", "tour.orders", "order.*.paid", false, null);
        var persistent = channel.CreateBasicProperties();
        persistent.DeliveryMode = 2;
        channel.TxSelect();
        for (var number = 0; number < 10; number++)
        {
            var body = Encoding.UTF8.GetBytes(number.ToString());
            channel.BasicPublish("tour.orders", "order." + number + ".paid", persistent, body);
        }
        channel.BasicPublish("tour.orders", "order.1.cancelled", persistent, Encoding.UTF8.GetBytes("for nobody"));
        // With its answer the messages are on the broker's disk.
        channel.TxCommit();
        Equal("the bodies", Drain(channel, "tour.invoices"), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        channel.TxCommit();
        channel.QueueDelete("tour.invoices", false, false, false);
        channel.ExchangeDelete("tour.orders", false, false);
    }

    static void AcknowledgeAndRequeue(IConnection connection)
    {
        var channel = connection.CreateModel();
        var queue = ExclusiveQueue(channel);
        Publish(channel, queue, "first");
        Publish(channel, queue, "second");
        channel.BasicQos(0, 1, false);
        var seen = new BlockingCollection<string>();
        var consumer = new EventingBasicConsumer();
        consumer.Received += (sender, delivery) =>
        {
            seen.Add(Text(delivery.Body) + (delivery.Redelivered ? " again" : ""));
            if (delivery.DeliveryTag == 1) channel.BasicReject(delivery.DeliveryTag, true);
            else channel.BasicAck(delivery.DeliveryTag, false);
        };
        channel.BasicConsume(queue, false, null, consumer);
        Equal("the deliveries", new[] { Take(seen), Take(seen), Take(seen) }, new[] { "first", "first again", "second" });
        Equal("what is left", Drain(channel, queue), "");
    }

    static void HeadersRoundTrip(IConnection connection)
    {
        var headers = Table(
            "text", "größer als 日本",
            "yes", true,
            "no", false,
            "byte", byte.MaxValue,
            "int16", short.MinValue,
            "int32", int.MinValue,
            "int64", long.MinValue,
            "float", 0.5f,
            "double", 0.1,
            "decimal", 314.15m,
            "timestamp", new AmqpTimestamp(1700000000),
            "array", new ArrayList { "a", 1, new ArrayList { true }, Table("inner", 0.25) },
            "table", Table("deeper", Table("deepest", new ArrayList { 1, 2, 3 }), "text", ""));
        var channel = connection.CreateModel();
        var queue = ExclusiveQueue(channel);
        Publish(channel, queue, "{}", properties =>
        {
            properties.Headers = headers;
            properties.ContentType = "application/json";
            properties.MessageId = "7";
            properties.Type = "kind";
        });
        var received = Get(channel, queue).BasicProperties;
        Equal("the headers", received.Headers, headers);
        Equal("the properties", new[] { received.ContentType, received.MessageId, received.Type },
            new[] { "application/json", "7", "kind" });
    }

    static void Transactions(IConnection connection)
    {
        var channel = connection.CreateModel();
        var watcher = connection.CreateModel();
        var queue = ExclusiveQueue(channel);
        channel.TxSelect();
        Publish(channel, queue, "rolled back");
        channel.TxRollback();
        Publish(channel, queue, "one");
        Publish(channel, queue, "two");
        Check("before the commit", watcher.BasicGet(queue, true) == null, "there is a message");
        channel.TxCommit();
        var message = channel.BasicGet(queue, false);
        Equal("left after the commit", message.MessageCount, 1u);
        channel.BasicAck(message.DeliveryTag, false);
        channel.TxCommit();
        Equal("what was acknowledged", Text(message.Body), "one");
        Equal("what is left", Drain(watcher, queue), "two");
    }

    /// The other side of a remote call: answers each request with its body in capitals.
    static string Serve(IModel channel)
    {
        var requests = ExclusiveQueue(channel);
        var consumer = new EventingBasicConsumer();
        consumer.Received += (sender, request) =>
        {
            var asked = request.BasicProperties;
            Publish(channel, asked.ReplyTo, Text(request.Body).ToUpperInvariant(),
                reply => reply.CorrelationId = asked.CorrelationId);
            channel.BasicAck(request.DeliveryTag, false);
        };
        channel.BasicConsume(requests, false, null, consumer);
        return requests;
    }

    /// Sends a request and waits for the reply.
    static void Call(IConnection connection, IModel channel, string replyTo)
    {
        var requests = Serve(connection.CreateModel());
        var replies = new BlockingCollection<string>();
        var consumer = new EventingBasicConsumer();
        consumer.Received += (sender, reply) => replies.Add(reply.BasicProperties.CorrelationId + ": " + Text(reply.Body));
        channel.BasicConsume(replyTo, true, null, consumer);
        Publish(channel, requests, "question", request =>
        {
            request.ReplyTo = replyTo;
            request.CorrelationId = "call 1";
        });
        Equal("the reply", Take(replies), "call 1: QUESTION");
    }

    static void RemoteCall(IConnection connection)
    {
        var channel = connection.CreateModel();
        Call(connection, channel, ExclusiveQueue(channel));
    }

    static void RemoteCallWithoutAQueue(IConnection connection)
    {
        Call(connection, connection.CreateModel(), "amq.rabbitmq.reply-to");
    }

    static void Mandatory(IConnection connection)
    {
        var channel = connection.CreateModel();
        var returns = new BlockingCollection<string>();
        channel.BasicReturn += (model, returned) => returns.Add(string.Format(
            "{0} {1} {2} {3}", returned.ReplyCode, returned.ReplyText, returned.RoutingKey, Text(returned.Body)));
        const bool mandatory = true, immediate = false;
        channel.BasicPublish("amq.direct", "tour.nowhere", mandatory, immediate, null, Encoding.UTF8.GetBytes("come back"));
        Equal("what came back", Take(returns), "312 NO_ROUTE tour.nowhere come back");
    }

    /// The headers by which a message tells how it died.
    static IDictionary CheckDeadLetter(IDictionary headers, string queue)
    {
        var deaths = (IList)headers["x-death"];
        Equal("how often", deaths.Count, 1);
        var death = (IDictionary)deaths[0];
        Equal("the reason", new[] { death["reason"], death["count"] }, new object[] { "expired", 1L });
        Equal("where it died", new[] { death["queue"], death["exchange"], death["routing-keys"] },
            new object[] { queue, "", new[] { queue } });
        var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - ((AmqpTimestamp)death["time"]).UnixTime;
        Check("when", Math.Abs(age) < 60, age + " s ago");
        var first = new[] { "reason", "queue", "exchange" }.Select(what => headers["x-first-death-" + what]);
        Equal("the first death", first, new[] { "expired", queue, "" });
        return death;
    }

    static void DeadLettersByQueueTtl(IConnection connection)
    {
        var channel = connection.CreateModel();
        var dead = ExclusiveQueue(channel);
        channel.QueueBind(dead, "amq.direct", "tour.dead", false, null);
        var queue = ExclusiveQueue(channel,
            "x-message-ttl", 50,
            "x-dead-letter-exchange", "amq.direct",
            "x-dead-letter-routing-key", "tour.dead");
        Publish(channel, queue, "late", properties => properties.Headers = Table("mine", 1));
        var message = Get(channel, dead);
        Equal("the dead letter", new[] { message.Exchange, message.RoutingKey, Text(message.Body) },
            new[] { "amq.direct", "tour.dead", "late" });
        var headers = message.BasicProperties.Headers;
        Equal("its own header", headers["mine"], 1);
        CheckDeadLetter(headers, queue);
        Equal("what is left", Drain(channel, queue), "");
    }

    static void DeadLettersByExpiration(IConnection connection)
    {
        var channel = connection.CreateModel();
        const bool passive = false, durable = false, autoDelete = true, isInternal = false, nowait = false;
        channel.ExchangeDeclare("tour.dead", "fanout", passive, durable, autoDelete, isInternal, nowait, null);
        var dead = ExclusiveQueue(channel);
        channel.QueueBind(dead, "tour.dead", "", false, null);
        var queue = ExclusiveQueue(channel, "x-dead-letter-exchange", "tour.dead");
        Publish(channel, queue, "short", properties => properties.Expiration = "50");
        Publish(channel, queue, "long", properties => properties.Expiration = "60000");
        var message = Get(channel, dead);
        // Without x-dead-letter-routing-key a message keeps its own.
        Equal("the dead letter", new[] { message.Exchange, message.RoutingKey, Text(message.Body) },
            new[] { "tour.dead", queue, "short" });
        Equal("an expiration", message.BasicProperties.IsExpirationPresent(), false);
        Equal("what it was", CheckDeadLetter(message.BasicProperties.Headers, queue)["original-expiration"], "50");
        Equal("what is left", Drain(channel, queue), "long");
    }

    static void Priorities(IConnection connection)
    {
        var channel = connection.CreateModel();
        var queue = ExclusiveQueue(channel, "x-max-priority", 5);
        Publish(channel, queue, "none");
        Publish(channel, queue, "low", properties => properties.Priority = 1);
        Publish(channel, queue, "high", properties => properties.Priority = 5);
        Publish(channel, queue, "low too", properties => properties.Priority = 1);
        Publish(channel, queue, "beyond", properties => properties.Priority = 9);
        // More than the highest is the highest; none is the lowest.
        Equal("the order", Drain(channel, queue), "high, beyond, low, low too, none");
    }

    static void LengthLimit(IConnection connection)
    {
        var channel = connection.CreateModel();
        var queue = ExclusiveQueue(channel, "x-max-length", 3, "x-overflow", "drop-head");
        for (var number = 0; number < 5; number++) Publish(channel, queue, number.ToString());
        Equal("what is left", Drain(channel, queue), "2, 3, 4");
    }

    static void Errors(IConnection connection)
    {
        Refused(connection, 404, "NOT_FOUND - no queue 'tour.absent' in vhost '/'",
            channel => channel.QueueDeclare("tour.absent", true, false, false, false, false, null));
        Declare(connection.CreateModel(), "tour.kept");
        Refused(connection, 406,
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "
                + "received the value '1' of type 'signedint' but current is none",
            channel => Declare(channel, "tour.kept", "x-max-length", 1));
        var anew = connection.CreateModel();
        Publish(anew, "tour.kept", "still here");
        Equal("the queue", Text(Get(anew, "tour.kept").Body), "still here");
    }

    static void Refused(IConnection connection, int code, string text, Action<IModel> request)
    {
        try
        {
            request(connection.CreateModel());
            Check("an error " + code, false, "there was none");
        }
        catch (OperationInterruptedException error)
        {
            Equal("the code", (int)error.ShutdownReason.ReplyCode, code);
            Equal("the text", error.ShutdownReason.ReplyText, text);
        }
    }
}
