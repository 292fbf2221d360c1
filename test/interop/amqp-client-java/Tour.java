import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AMQP.Channel.Close;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * What an application relies on, with RabbitMQ's Java client: each step is one thing that it does, and checks that it
 * came out so. The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it
 * holds for RabbitMQ too.
 */
public final class Tour {
    private static final long PATIENCE_MS = 10_000;
    private static final BasicProperties NONE = new BasicProperties();

    private interface Step {
        void run(Connection connection) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        step("a topic exchange routes to the queue that is bound, and every message is confirmed",
            Tour::publishWithConfirms);
        step("what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone",
            Tour::acknowledgeAndRequeue);
        step("headers of every type that the client writes come out as they went in", Tour::headersRoundTrip);
        step("a transaction that is rolled back leaves nothing, and one that is committed all", Tour::transactions);
        step("a remote call is answered through a reply queue", Tour::remoteCall);
        step("a remote call is answered through direct reply-to", Tour::remoteCallWithoutAQueue);
        step("a mandatory message that reaches no queue comes back", Tour::mandatory);
        step("a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why",
            Tour::deadLettersByQueueTtl);
        step("a message with an expiration of its own dies alone, and loses it on the way",
            Tour::deadLettersByExpiration);
        step("a queue with priorities gives the most urgent message first", Tour::priorities);
        step("a queue with a length limit drops the oldest", Tour::lengthLimit);
        step("an error closes its channel, says why, and leaves the connection usable", Tour::errors);
    }

    private static void step(String what, Step step) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        String url = System.getenv("AMQP_URL");
        // To the client a / at the end is a virtual host without a name.
        if (url != null) factory.setUri(url.replaceFirst("/$", ""));
        factory.setAutomaticRecoveryEnabled(false);
        try (Connection connection = factory.newConnection()) {
            step.run(connection);
        } catch (Exception error) {
            error.printStackTrace();
            check(what, false, error);
        }
        System.out.println("ok " + what);
    }

    private static void check(String what, boolean condition, Object details) {
        if (condition) return;
        System.out.println("FAILED " + what + ": " + details);
        System.exit(1);
    }

    private static void equal(String what, Object actual, Object expected) {
        check(what, Objects.equals(actual, expected), "expected " + expected + ", got " + actual);
    }

    private static String exclusiveQueue(Channel channel, Map<String, Object> arguments) throws IOException {
        return channel.queueDeclare("", false, true, false, arguments).getQueue();
    }

    private static String exclusiveQueue(Channel channel) throws IOException {
        return exclusiveQueue(channel, Map.of());
    }

    private static void publish(Channel channel, String queue, String body, BasicProperties properties)
        throws IOException {
        channel.basicPublish("", queue, properties, body.getBytes(UTF_8));
    }

    private static BlockingQueue<Delivery> consume(Channel channel, String queue, boolean autoAck) throws IOException {
        BlockingQueue<Delivery> inbox = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, autoAck, (tag, delivery) -> inbox.add(delivery), tag -> { });
        return inbox;
    }

    private static <T> T take(BlockingQueue<T> inbox) throws InterruptedException {
        T next = inbox.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        check("something arrives", next != null, "nothing came for " + PATIENCE_MS + " ms");
        return next;
    }

    /** Takes the next message of a queue, and waits for it if need be. */
    private static GetResponse get(Channel channel, String queue) throws Exception {
        for (long end = System.currentTimeMillis() + PATIENCE_MS; System.currentTimeMillis() < end; Thread.sleep(10)) {
            GetResponse message = channel.basicGet(queue, true);
            if (message != null) return message;
        }
        check("a message comes", false, queue);
        return null;
    }

    private static List<String> drain(Channel channel, String queue) throws IOException {
        List<String> bodies = new ArrayList<>();
        for (GetResponse message; (message = channel.basicGet(queue, true)) != null; ) bodies.add(text(message));
        return bodies;
    }

    private static String text(GetResponse message) {
        return new String(message.getBody(), UTF_8);
    }

    private static void publishWithConfirms(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.confirmSelect();
        channel.exchangeDeclare("tour.orders", "topic", true);
        channel.queueDeclare("tour.invoices", true, false, false, null);
        channel.queueBind("tour.invoices", "tour.orders", "order.*.paid");
        for (int number = 0; number < 10; number++) {
            byte[] body = String.valueOf(number).getBytes(UTF_8);
            channel.basicPublish("tour.orders", "order." + number + ".paid", MessageProperties.PERSISTENT_BASIC, body);
        }
        channel.basicPublish("tour.orders", "order.1.cancelled", NONE, "for nobody".getBytes(UTF_8));
        channel.waitForConfirmsOrDie(PATIENCE_MS);
        equal("the bodies", drain(channel, "tour.invoices"),
            Arrays.asList("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
        channel.queueDelete("tour.invoices");
        channel.exchangeDelete("tour.orders");
    }

    private static void acknowledgeAndRequeue(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = exclusiveQueue(channel);
        publish(channel, queue, "first", NONE);
        publish(channel, queue, "second", NONE);
        channel.basicQos(1);
        BlockingQueue<Delivery> inbox = consume(channel, queue, false);
        for (String expected : List.of("first false", "first true", "second false")) {
            Delivery delivery = take(inbox);
            long tag = delivery.getEnvelope().getDeliveryTag();
            String got = new String(delivery.getBody(), UTF_8) + " " + delivery.getEnvelope().isRedeliver();
            equal("the delivery", got, expected);
            if (tag == 1) channel.basicNack(tag, false, true);
            else channel.basicAck(tag, false);
        }
        equal("what is left", drain(channel, queue), List.of());
    }

    private static void headersRoundTrip(Connection connection) throws Exception {
        Map<String, Object> headers = new HashMap<>();
        headers.put("text", "größer als 日本");
        headers.put("bytes", new byte[] {0, 1, -1});
        headers.put("yes", true);
        headers.put("no", false);
        headers.put("int8", (byte) -128);
        headers.put("int16", (short) -32768);
        headers.put("int32", Integer.MIN_VALUE);
        headers.put("int64", Long.MIN_VALUE);
        headers.put("float", 0.5f);
        headers.put("double", 0.1);
        headers.put("decimal", new BigDecimal("314.15"));
        headers.put("timestamp", new Date(1_700_000_000_000L));
        headers.put("nothing", null);
        headers.put("array", Arrays.asList("a", 1, Arrays.asList(true, null), Map.of("inner", 0.25)));
        headers.put("table", Map.of("deeper", Map.of("deepest", List.of(1, 2, 3)), "text", ""));
        Channel channel = connection.createChannel();
        String queue = exclusiveQueue(channel);
        publish(channel, queue, "{}", new BasicProperties.Builder()
            .headers(headers).contentType("application/json").messageId("7").type("kind").build());
        BasicProperties received = get(channel, queue).getProps();
        equal("the headers", plain(received.getHeaders()), plain(headers));
        equal("the properties", List.of(received.getContentType(), received.getMessageId(), received.getType()),
            List.of("application/json", "7", "kind"));
    }

    /** A value that can be compared and printed; the client reads texts as a type of its own. */
    private static Object plain(Object value) {
        if (value instanceof byte[]) return Arrays.toString((byte[]) value);
        if (value instanceof List) {
            List<Object> list = new ArrayList<>();
            for (Object each : (List<?>) value) list.add(plain(each));
            return list;
        }
        if (value instanceof Map) {
            Map<String, Object> map = new HashMap<>();
            ((Map<?, ?>) value).forEach((name, each) -> map.put(name.toString(), plain(each)));
            return map;
        }
        return value instanceof com.rabbitmq.client.LongString ? value.toString() : value;
    }

    private static void transactions(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        Channel watcher = connection.createChannel();
        String queue = exclusiveQueue(channel);
        channel.txSelect();
        publish(channel, queue, "rolled back", NONE);
        channel.txRollback();
        publish(channel, queue, "one", NONE);
        publish(channel, queue, "two", NONE);
        equal("before the commit", watcher.messageCount(queue), 0L);
        channel.txCommit();
        equal("after the commit", watcher.messageCount(queue), 2L);
        GetResponse message = channel.basicGet(queue, false);
        channel.basicAck(message.getEnvelope().getDeliveryTag(), false);
        channel.txCommit();
        equal("what was acknowledged", text(message), "one");
        equal("what is left", drain(watcher, queue), List.of("two"));
    }

    /** The other side of a remote call: answers each request with its body in capitals. */
    private static String serve(Channel channel) throws IOException {
        String requests = exclusiveQueue(channel);
        channel.basicConsume(requests, false, (tag, request) -> {
            BasicProperties asked = request.getProperties();
            BasicProperties reply = new BasicProperties.Builder().correlationId(asked.getCorrelationId()).build();
            publish(channel, asked.getReplyTo(), new String(request.getBody(), UTF_8).toUpperCase(), reply);
            channel.basicAck(request.getEnvelope().getDeliveryTag(), false);
        }, tag -> { });
        return requests;
    }

    /** Sends a request and waits for the reply. */
    private static void call(Connection connection, Channel channel, String replyTo) throws Exception {
        String requests = serve(connection.createChannel());
        BlockingQueue<Delivery> replies = consume(channel, replyTo, true);
        publish(channel, requests, "question",
            new BasicProperties.Builder().replyTo(replyTo).correlationId("call 1").build());
        Delivery reply = take(replies);
        equal("the reply", reply.getProperties().getCorrelationId() + ": " + new String(reply.getBody(), UTF_8),
            "call 1: QUESTION");
    }

    private static void remoteCall(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        call(connection, channel, exclusiveQueue(channel));
    }

    private static void remoteCallWithoutAQueue(Connection connection) throws Exception {
        call(connection, connection.createChannel(), "amq.rabbitmq.reply-to");
    }

    private static void mandatory(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        BlockingQueue<Return> returns = new LinkedBlockingQueue<>();
        channel.addReturnListener(returns::add);
        channel.basicPublish("amq.direct", "tour.nowhere", true, NONE, "come back".getBytes(UTF_8));
        Return returned = take(returns);
        equal("the code", returned.getReplyCode() + " " + returned.getReplyText(), "312 NO_ROUTE");
        equal("the message", returned.getRoutingKey() + ": " + new String(returned.getBody(), UTF_8),
            "tour.nowhere: come back");
    }

    /** The headers by which a message tells how it died. */
    private static Map<?, ?> checkDeadLetter(Map<String, Object> raw, String queue) {
        Map<?, ?> headers = (Map<?, ?>) plain(raw);
        List<?> deaths = (List<?>) headers.get("x-death");
        equal("how often", deaths.size(), 1);
        Map<?, ?> death = (Map<?, ?>) deaths.get(0);
        equal("the reason", List.of(death.get("reason"), death.get("count")), List.of("expired", 1L));
        equal("where it died", List.of(death.get("queue"), death.get("exchange"), death.get("routing-keys")),
            List.of(queue, "", List.of(queue)));
        check("when", Math.abs(((Date) death.get("time")).getTime() - System.currentTimeMillis()) < 60_000, death);
        equal("the first death", List.of(headers.get("x-first-death-reason"), headers.get("x-first-death-queue"),
            headers.get("x-first-death-exchange")), List.of("expired", queue, ""));
        return death;
    }

    private static void deadLettersByQueueTtl(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String dead = exclusiveQueue(channel);
        channel.queueBind(dead, "amq.direct", "tour.dead");
        String queue = exclusiveQueue(channel, Map.of(
            "x-message-ttl", 50,
            "x-dead-letter-exchange", "amq.direct",
            "x-dead-letter-routing-key", "tour.dead"));
        publish(channel, queue, "late", new BasicProperties.Builder().headers(Map.of("mine", 1)).build());
        GetResponse message = get(channel, dead);
        equal("the dead letter",
            List.of(message.getEnvelope().getExchange(), message.getEnvelope().getRoutingKey(), text(message)),
            List.of("amq.direct", "tour.dead", "late"));
        equal("its own header", message.getProps().getHeaders().get("mine"), 1);
        checkDeadLetter(message.getProps().getHeaders(), queue);
        equal("what is left", drain(channel, queue), List.of());
    }

    private static void deadLettersByExpiration(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.exchangeDeclare("tour.dead", "fanout", false, true, null);
        String dead = exclusiveQueue(channel);
        channel.queueBind(dead, "tour.dead", "");
        String queue = exclusiveQueue(channel, Map.of("x-dead-letter-exchange", "tour.dead"));
        publish(channel, queue, "short", new BasicProperties.Builder().expiration("50").build());
        publish(channel, queue, "long", new BasicProperties.Builder().expiration("60000").build());
        GetResponse message = get(channel, dead);
        // Without x-dead-letter-routing-key a message keeps its own.
        equal("the dead letter",
            List.of(message.getEnvelope().getExchange(), message.getEnvelope().getRoutingKey(), text(message)),
            List.of("tour.dead", queue, "short"));
        equal("its expiration", message.getProps().getExpiration(), null);
        Map<?, ?> death = checkDeadLetter(message.getProps().getHeaders(), queue);
        equal("what it was", death.get("original-expiration"), "50");
        equal("what is left", drain(channel, queue), List.of("long"));
    }

    private static void priorities(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = exclusiveQueue(channel, Map.of("x-max-priority", 5));
        publish(channel, queue, "none", NONE);
        publish(channel, queue, "low", new BasicProperties.Builder().priority(1).build());
        publish(channel, queue, "high", new BasicProperties.Builder().priority(5).build());
        publish(channel, queue, "low too", new BasicProperties.Builder().priority(1).build());
        publish(channel, queue, "beyond", new BasicProperties.Builder().priority(9).build());
        // More than the highest is the highest; none is the lowest.
        equal("the order", drain(channel, queue), List.of("high", "beyond", "low", "low too", "none"));
    }

    private static void lengthLimit(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = exclusiveQueue(channel, Map.of("x-max-length", 3, "x-overflow", "drop-head"));
        for (int number = 0; number < 5; number++) publish(channel, queue, String.valueOf(number), NONE);
        equal("what is left", drain(channel, queue), List.of("2", "3", "4"));
    }

    private static void errors(Connection connection) throws Exception {
        refused(404, "NOT_FOUND - no queue 'tour.absent' in vhost '/'",
            connection, channel -> channel.queueDeclarePassive("tour.absent"));
        connection.createChannel().queueDeclare("tour.kept", false, true, false, null);
        refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "
                + "received the value '1' of type 'signedint' but current is none",
            connection, channel -> channel.queueDeclare("tour.kept", false, true, false,
                Collections.singletonMap("x-max-length", 1)));
        Channel channel = connection.createChannel();
        publish(channel, "tour.kept", "still here", NONE);
        equal("the queue", text(get(channel, "tour.kept")), "still here");
    }

    private interface Request {
        void send(Channel channel) throws IOException;
    }

    private static void refused(int code, String text, Connection connection, Request request) throws IOException {
        try {
            request.send(connection.createChannel());
            check("an error " + code, false, "there was none");
        } catch (IOException error) {
            Close close = (Close) ((ShutdownSignalException) error.getCause()).getReason();
            equal("the code", close.getReplyCode(), code);
            equal("the text", close.getReplyText(), text);
        }
    }
}
