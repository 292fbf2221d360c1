import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the programs of this folder share: steps that pass or fail, clients of the broker at KAFKA_BOOTSTRAP. */
final class Checks {
    static final long PATIENCE_MS = 20_000;
    static final long STEP_LIMIT_S = 60;
    static final String BOOTSTRAP = Objects.requireNonNullElse(System.getenv("KAFKA_BOOTSTRAP"), "127.0.0.1:9092");
    /** Where guest:guest can log in. */
    static final String SASL_BOOTSTRAP = System.getenv("KAFKA_SASL_BOOTSTRAP");

    /** Steps are independent, and most of their time is waiting: some run at the same time. */
    private static final ExecutorService THREADS = Executors.newFixedThreadPool(4, work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });
    private static final Map<String, Future<?>> STEPS = new LinkedHashMap<>();
    private static final String ONLY = System.getProperty("only", "");

    interface Step {
        void run() throws Exception;
    }

    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;

        Failure(String text) {
            super(text);
        }
    }

    private Checks() { }

    static void step(String what, Step step) {
        if (!what.contains(ONLY)) return;
        STEPS.put(what, THREADS.submit(() -> {
            step.run();
            return null;
        }));
    }

    /** Waits for all steps, says how each ended, and ends the program. */
    static void end() throws InterruptedException {
        boolean allPassed = true;
        for (var step : STEPS.entrySet()) {
            Throwable error = null;
            try {
                step.getValue().get(STEP_LIMIT_S, TimeUnit.SECONDS);
            } catch (ExecutionException failure) {
                error = failure.getCause();
            } catch (TimeoutException failure) {
                step.getValue().cancel(true);
                error = new Failure("still not done after " + STEP_LIMIT_S + " s");
            }
            System.out.println((error == null ? "ok " : "FAILED ") + step.getKey());
            if (error != null) {
                error.printStackTrace(System.out);
                allPassed = false;
            }
        }
        System.exit(allPassed ? 0 : 1);
    }

    static void check(String what, boolean condition, Object details) {
        if (!condition) throw new Failure(what + ": " + details);
    }

    static void equal(String what, Object actual, Object expected) {
        check(what, Objects.equals(actual, expected), "expected " + expected + ", got " + actual);
    }

    /** The error that a call ends with, without what the client wraps around it. */
    static Throwable refusal(Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (ExecutionException error) {
            return error.getCause();
        } catch (RuntimeException error) {
            return error;
        }
        throw new Failure("was not refused");
    }

    static void refused(String what, Class<? extends Throwable> expected, Callable<?> call) throws Exception {
        Throwable error = refusal(call);
        check(what, expected.isInstance(error), "expected " + expected.getSimpleName() + ", got " + error);
    }

    static void eventually(String what, Callable<Boolean> condition) throws Exception {
        for (long end = System.currentTimeMillis() + PATIENCE_MS; System.currentTimeMillis() < end; Thread.sleep(50)) {
            if (condition.call()) return;
        }
        throw new Failure(what + ": not within " + PATIENCE_MS + " ms");
    }

    static String fresh(String what) {
        return "tour." + what + "." + UUID.randomUUID().toString().substring(0, 8);
    }

    static String topic(Admin admin, int partitions) throws Exception {
        return topic(admin, partitions, Map.of());
    }

    static String topic(Admin admin, int partitions, Map<String, String> configs) throws Exception {
        String name = fresh("topic");
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get();
        return name;
    }

    static Admin admin() {
        if (SASL_BOOTSTRAP == null) return Admin.create(properties(Map.of()));
        // Who has not logged in administers nothing.
        return Admin.create(properties(options("bootstrap.servers", SASL_BOOTSTRAP,
            "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN",
            "sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required "
                + "username=\"guest\" password=\"guest\";")));
    }

    /** {@code options}: names and values in turns. */
    static Map<String, Object> options(Object... options) {
        Map<String, Object> map = new HashMap<>();
        for (int i = 0; i < options.length; i += 2) map.put((String) options[i], options[i + 1]);
        return map;
    }

    static Properties properties(Map<String, Object> options) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", BOOTSTRAP);
        properties.put("request.timeout.ms", 15_000);
        properties.put("default.api.timeout.ms", 20_000);
        properties.putAll(options);
        return properties;
    }

    static KafkaProducer<String, String> producer(Object... options) {
        Properties properties = properties(options(options));
        properties.putIfAbsent("max.block.ms", PATIENCE_MS);
        properties.putIfAbsent("delivery.timeout.ms", 30_000);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    /** From the beginning, and without a group unless one is named. */
    static KafkaConsumer<String, String> consumer(Object... options) {
        Properties properties = properties(options(options));
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        properties.putIfAbsent("allow.auto.create.topics", "false");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    /** Sends values 0, 1, ... to a partition and waits until all are confirmed. */
    static void send(KafkaProducer<String, String> producer, String topic, int partition, int count) throws Exception {
        List<Future<?>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic, partition, "key " + i, String.valueOf(i))));
        }
        producer.flush();
        for (Future<?> each : sent) each.get();
    }

    static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (records.size() < count && System.currentTimeMillis() < end) {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        check("all records come", records.size() >= count, records.size() + " of " + count);
        return records;
    }

    static List<String> values(List<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    static List<String> numbers(int from, int below) {
        List<String> numbers = new ArrayList<>();
        for (int i = from; i < below; i++) numbers.add(String.valueOf(i));
        return numbers;
    }
}
