/*
 * What an application relies on, with librdkafka: each step is one thing that it does, and checks that it came out so.
 * The broker is at KAFKA_BOOTSTRAP. The program ends at the first thing that is not as it should be. All of it holds
 * for Apache Kafka too.
 */
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define NAME_SIZE 64

static const char *step;

static void fail(const char *format, ...) {
  va_list details;
  va_start(details, format);
  printf("FAILED %s: ", step);
  vprintf(format, details);
  printf("\n");
  va_end(details);
  exit(1);
}

static void check(const char *what, int condition) {
  if (!condition) fail("%s", what);
}

static void ok(const char *what, rd_kafka_resp_err_t error) {
  if (error) fail("%s: %s", what, rd_kafka_err2str(error));
}

static void done(const char *what, rd_kafka_error_t *error) {
  if (error) fail("%s: %s", what, rd_kafka_error_string(error));
}

static void fresh(char *name, const char *what) {
  static int count;
  snprintf(name, NAME_SIZE, "tour.%s.%ld.%d.%d", what, (long)time(NULL), (int)getpid(), ++count);
}

/* Names and values in turns, ended by NULL. */
static rd_kafka_t *client(rd_kafka_type_t type, ...) {
  char problem[256];
  const char *bootstrap = getenv("KAFKA_BOOTSTRAP");
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap ? bootstrap : "127.0.0.1:9092", NULL, 0);
  if (type == RD_KAFKA_CONSUMER) {
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
  }
  va_list options;
  va_start(options, type);
  for (const char *name; (name = va_arg(options, const char *)) != NULL;) {
    const char *value = va_arg(options, const char *);
    if (rd_kafka_conf_set(conf, name, value, problem, sizeof problem) != RD_KAFKA_CONF_OK) fail("%s", problem);
  }
  va_end(options);
  rd_kafka_t *made = rd_kafka_new(type, conf, problem, sizeof problem);
  if (!made) fail("%s", problem);
  if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(made);
  return made;
}

static void make_topic(char *name, int partitions) {
  char problem[256];
  size_t count;
  fresh(name, "topic");
  rd_kafka_t *admin = client(RD_KAFKA_PRODUCER, NULL);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
  rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, problem, sizeof problem);
  if (!topic) fail("%s", problem);
  rd_kafka_CreateTopics(admin, &topic, 1, NULL, queue);
  rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
  check("an answer", event != NULL);
  ok("create the topic", rd_kafka_event_error(event));
  const rd_kafka_topic_result_t **results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  ok("create the topic", rd_kafka_topic_result_error(results[0]));
  rd_kafka_event_destroy(event);
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(admin);
}

static void put(rd_kafka_t *producer, const char *topic, int partition, const char *key, const char *value) {
  ok("produce", rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                  RD_KAFKA_V_KEY(key, key ? strlen(key) : 0),
                                  RD_KAFKA_V_VALUE((void *)value, value ? strlen(value) : 0),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END));
}

static void put_numbers(rd_kafka_t *producer, const char *topic, int partition, int count) {
  for (int i = 0; i < count; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    while (rd_kafka_outq_len(producer) > 50000) rd_kafka_poll(producer, 10);
    put(producer, topic, partition, NULL, text);
  }
  ok("flush", rd_kafka_flush(producer, PATIENCE_MS));
}

static rd_kafka_t *reader(const char *topic, int64_t offset, const char *isolation) {
  rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, "group.id", "unused", "isolation.level", isolation, NULL);
  rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(partitions, topic, 0)->offset = offset;
  ok("assign", rd_kafka_assign(consumer, partitions));
  rd_kafka_topic_partition_list_destroy(partitions);
  return consumer;
}

static rd_kafka_message_t *take(rd_kafka_t *consumer) {
  rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, PATIENCE_MS);
  check("a message comes", message != NULL);
  ok("a message", message->err);
  return message;
}

static void take_text(rd_kafka_t *consumer, const char *expected) {
  rd_kafka_message_t *message = take(consumer);
  if (message->len != strlen(expected) || memcmp(message->payload, expected, message->len))
    fail("expected %s, got %.*s", expected, (int)message->len, (char *)message->payload);
  rd_kafka_message_destroy(message);
}

static void take_numbers(rd_kafka_t *consumer, int from, int below) {
  for (int i = from; i < below; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    take_text(consumer, text);
  }
}

static void nothing_more(rd_kafka_t *consumer) {
  rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 700);
  check("nothing more", message == NULL);
}

static void end(rd_kafka_t *consumer) {
  ok("close", rd_kafka_consumer_close(consumer));
  rd_kafka_destroy(consumer);
}

static void round_trip(const char *codec) {
  char topic[NAME_SIZE];
  make_topic(topic, 1);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, "compression.codec", codec, "linger.ms", "50", NULL);
  ok("produce", rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY("key", 3),
                                  RD_KAFKA_V_VALUE("a\0b", 3), RD_KAFKA_V_TIMESTAMP(1000000000000),
                                  RD_KAFKA_V_HEADER("text", "one", 3), RD_KAFKA_V_HEADER("nothing", NULL, 0),
                                  RD_KAFKA_V_END));
  put(producer, topic, 0, "tombstone", NULL);
  put_numbers(producer, topic, 0, 1000);
  rd_kafka_destroy(producer);

  rd_kafka_t *consumer = reader(topic, RD_KAFKA_OFFSET_BEGINNING, "read_committed");
  rd_kafka_message_t *message = take(consumer);
  rd_kafka_headers_t *headers;
  const void *value;
  size_t size;
  check("the key", message->key_len == 3 && !memcmp(message->key, "key", 3));
  check("the value", message->len == 3 && !memcmp(message->payload, "a\0b", 3));
  check("the timestamp", rd_kafka_message_timestamp(message, NULL) == 1000000000000);
  ok("the headers", rd_kafka_message_headers(message, &headers));
  ok("a header", rd_kafka_header_get(headers, 0, "text", &value, &size));
  check("its value", size == 3 && !memcmp(value, "one", 3));
  ok("the other", rd_kafka_header_get(headers, 0, "nothing", &value, &size));
  check("no value", value == NULL);
  rd_kafka_message_destroy(message);
  message = take(consumer);
  check("the tombstone", message->payload == NULL && message->offset == 1);
  rd_kafka_message_destroy(message);
  take_numbers(consumer, 0, 1000);
  end(consumer);
}

static void acknowledgements(const char *acks) {
  char topic[NAME_SIZE];
  make_topic(topic, 1);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, "acks", acks, NULL);
  put_numbers(producer, topic, 0, 500);
  rd_kafka_destroy(producer);
  rd_kafka_t *consumer = reader(topic, RD_KAFKA_OFFSET_BEGINNING, "read_committed");
  take_numbers(consumer, 0, 500);
  end(consumer);
}

static void idempotence(void) {
  char topic[NAME_SIZE];
  make_topic(topic, 1);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, "enable.idempotence", "true", "batch.num.messages", "9", NULL);
  put_numbers(producer, topic, 0, 5000);
  rd_kafka_destroy(producer);
  rd_kafka_t *consumer = reader(topic, RD_KAFKA_OFFSET_BEGINNING, "read_committed");
  take_numbers(consumer, 0, 5000);
  end(consumer);
}

static void positions(void) {
  char topic[NAME_SIZE];
  int64_t low, high;
  make_topic(topic, 1);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, NULL);
  put_numbers(producer, topic, 0, 20);
  rd_kafka_t *consumer = reader(topic, 15, "read_committed");
  take_numbers(consumer, 15, 20);
  ok("the watermarks", rd_kafka_query_watermark_offsets(consumer, topic, 0, &low, &high, PATIENCE_MS));
  check("their values", low == 0 && high == 20);
  end(consumer);
  consumer = reader(topic, RD_KAFKA_OFFSET_TAIL(3), "read_committed");
  take_numbers(consumer, 17, 20);
  nothing_more(consumer);
  put(producer, topic, 0, NULL, "new");
  take_text(consumer, "new");
  end(consumer);
  rd_kafka_destroy(producer);
}

/* Polls until each member has so many partitions. */
static void settle(rd_kafka_t **members, int count, int partitions) {
  time_t limit = time(NULL) + 30;
  for (int settled = 0; settled < count;) {
    check("the partitions are shared out", time(NULL) < limit);
    settled = 0;
    for (int i = 0; i < count; i++) {
      rd_kafka_topic_partition_list_t *mine;
      rd_kafka_message_t *message = rd_kafka_consumer_poll(members[i], 50);
      if (message) rd_kafka_message_destroy(message);
      ok("the assignment", rd_kafka_assignment(members[i], &mine));
      settled += mine->cnt == partitions;
      rd_kafka_topic_partition_list_destroy(mine);
    }
  }
}

static void groups(const char *strategy) {
  char topic[NAME_SIZE], group[NAME_SIZE];
  make_topic(topic, 4);
  fresh(group, "group");
  rd_kafka_t *members[2];
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
  for (int i = 0; i < 2; i++) {
    members[i] = client(RD_KAFKA_CONSUMER, "group.id", group, "partition.assignment.strategy", strategy,
                        "session.timeout.ms", "6000", "heartbeat.interval.ms", "200", NULL);
    ok("subscribe", rd_kafka_subscribe(members[i], topics));
  }
  settle(members, 2, 2);
  end(members[1]);
  settle(members, 1, 4);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, NULL);
  for (int partition = 0; partition < 4; partition++) put_numbers(producer, topic, partition, 5);
  rd_kafka_destroy(producer);
  for (int i = 0; i < 20; i++) rd_kafka_message_destroy(take(members[0]));
  ok("commit", rd_kafka_commit(members[0], NULL, 0));
  rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(committed, topic, 3);
  ok("committed", rd_kafka_committed(members[0], committed, PATIENCE_MS));
  check("the offset", committed->elems[0].offset == 5);
  rd_kafka_topic_partition_list_destroy(committed);
  rd_kafka_topic_partition_list_destroy(topics);
  end(members[0]);
}

static void transactions(void) {
  char topic[NAME_SIZE], name[NAME_SIZE];
  make_topic(topic, 1);
  fresh(name, "txn");
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, "transactional.id", name, NULL);
  done("init", rd_kafka_init_transactions(producer, PATIENCE_MS));
  for (int i = 0; i < 4; i++) {
    done("begin", rd_kafka_begin_transaction(producer));
    put(producer, topic, 0, NULL, i % 2 ? "committed" : "aborted");
    ok("flush", rd_kafka_flush(producer, PATIENCE_MS));
    if (i % 2) done("commit", rd_kafka_commit_transaction(producer, PATIENCE_MS));
    else done("abort", rd_kafka_abort_transaction(producer, PATIENCE_MS));
  }
  rd_kafka_t *consumer = reader(topic, RD_KAFKA_OFFSET_BEGINNING, "read_committed");
  take_text(consumer, "committed");
  take_text(consumer, "committed");
  nothing_more(consumer);
  end(consumer);
  rd_kafka_t *second = client(RD_KAFKA_PRODUCER, "transactional.id", name, NULL);
  done("init", rd_kafka_init_transactions(second, PATIENCE_MS));
  done("begin", rd_kafka_begin_transaction(producer));
  put(producer, topic, 0, NULL, "late");
  rd_kafka_error_t *error = rd_kafka_commit_transaction(producer, PATIENCE_MS);
  check("the first is fenced", error && rd_kafka_error_is_fatal(error));
  rd_kafka_error_destroy(error);
  rd_kafka_destroy(second);
  rd_kafka_destroy(producer);
}

static void metadata(void) {
  char topic[NAME_SIZE];
  const struct rd_kafka_metadata *found;
  make_topic(topic, 3);
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, NULL);
  ok("metadata", rd_kafka_metadata(producer, 1, NULL, &found, PATIENCE_MS));
  check("a broker", found->broker_cnt >= 1);
  int partitions = 0;
  for (int i = 0; i < found->topic_cnt; i++)
    if (!strcmp(found->topics[i].topic, topic)) partitions = found->topics[i].partition_cnt;
  check("the partitions", partitions == 3);
  rd_kafka_metadata_destroy(found);
  char *cluster = rd_kafka_clusterid(producer, PATIENCE_MS);
  check("the cluster's name", cluster != NULL);
  rd_kafka_mem_free(producer, cluster);
  check("the controller", rd_kafka_controllerid(producer, PATIENCE_MS) >= 0);
  rd_kafka_destroy(producer);
}

#define STEP(title, call) (step = (title), (call), printf("ok %s\n", step), fflush(stdout))

int main(void) {
  STEP("messages come back as they went in (none)", round_trip("none"));
  STEP("messages come back as they went in (gzip)", round_trip("gzip"));
  STEP("messages come back as they went in (snappy)", round_trip("snappy"));
  STEP("messages come back as they went in (lz4)", round_trip("lz4"));
  STEP("messages come back as they went in (zstd)", round_trip("zstd"));
  STEP("with acks=0 all messages arrive, in order", acknowledgements("0"));
  STEP("with acks=1 all messages arrive, in order", acknowledgements("1"));
  STEP("with acks=all all messages arrive, in order", acknowledgements("all"));
  STEP("an idempotent producer keeps the order in small batches", idempotence());
  STEP("a consumer begins at an offset, before the end, at the end", positions());
  STEP("two members share the partitions (range)", groups("range"));
  STEP("two members share the partitions (roundrobin)", groups("roundrobin"));
  STEP("two members share the partitions (cooperative-sticky)", groups("cooperative-sticky"));
  STEP("what is committed is read, what is aborted is not, and an older producer is fenced", transactions());
  STEP("the broker and its topics are described", metadata());
  return 0;
}
