/*
 * What an application relies on, with librabbitmq: each step is one thing that it does, and checks that it came out so.
 * The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
 * RabbitMQ too.
 */
#include "client.h"

static void publish_with_confirms(void) {
  amqp_confirm_select(connection, 1);
  must("confirms");
  amqp_exchange_declare(connection, 1, bytes("tour.orders"), bytes("topic"), 0, 1, 0, 0, amqp_empty_table);
  must("an exchange");
  amqp_queue_declare(connection, 1, bytes("tour.invoices"), 0, 1, 0, 0, amqp_empty_table);
  must("a queue");
  bind_queue("tour.invoices", "tour.orders", "order.*.paid");
  amqp_basic_properties_t persistent = {0};
  persistent._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  persistent.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  for (int number = 0; number < 10; number++) {
    char key[40], body[10];
    sprintf(key, number == 9 ? "order.%d.cancelled" : "order.%d.paid", number);
    sprintf(body, "%d", number);
    amqp_basic_publish(connection, 1, bytes("tour.orders"), bytes(key), 0, 0, &persistent, bytes(body));
  }
  /* They need not come in the order of publishing, and one may be for several messages: for all up to its tag. */
  char is_confirmed[11] = {0};
  while (memchr(is_confirmed + 1, 0, 10) != NULL) {
    amqp_basic_ack_t *ack = take_method(AMQP_BASIC_ACK_METHOD).decoded;
    check("the tag", ack->delivery_tag >= 1 && ack->delivery_tag <= 10, "was never given");
    for (uint64_t tag = ack->multiple ? 1 : ack->delivery_tag; tag <= ack->delivery_tag; tag++) is_confirmed[tag] = 1;
  }
  equal("the bodies", drain("tour.invoices"), "0, 1, 2, 3, 4, 5, 6, 7, 8");
  amqp_queue_delete(connection, 1, bytes("tour.invoices"), 0, 0);
  must("delete");
  amqp_exchange_delete(connection, 1, bytes("tour.orders"), 0);
  must("delete");
}

static void acknowledge_and_requeue(void) {
  static const struct {
    const char *body;
    int redelivered;
  } expected[] = {{"first", 0}, {"first", 1}, {"second", 0}};
  char *queue = exclusive_queue(amqp_empty_table);
  publish(queue, "first");
  publish(queue, "second");
  amqp_basic_qos(connection, 1, 0, 1, 0);
  must("prefetch");
  amqp_basic_consume(connection, 1, bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  must("consume");
  for (int i = 0; i < COUNT(expected); i++) {
    amqp_envelope_t delivery = take_delivery();
    equal("the body", string(delivery.message.body), expected[i].body);
    equal_number("redelivered", delivery.redelivered, expected[i].redelivered);
    if (i == 0)
      amqp_basic_nack(connection, 1, delivery.delivery_tag, 0, 1);
    else
      amqp_basic_ack(connection, 1, delivery.delivery_tag, 0);
  }
  amqp_channel_close(connection, 1, AMQP_REPLY_SUCCESS);
  equal("what is left", drain(queue), "");
}

/* Every type that there is. */
static amqp_table_t all_types(void) {
  static amqp_table_entry_t entries[18], inner[2];
  static amqp_field_value_t elements[3];
  int n = 0;
  entries[n++] = text_entry("text", "größer als 日本");
  entries[n] = entry("bytes", AMQP_FIELD_KIND_BYTES);
  entries[n++].value.value.bytes = (amqp_bytes_t){3, "\x00\x01\xff"};
  entries[n] = entry("yes", AMQP_FIELD_KIND_BOOLEAN);
  entries[n++].value.value.boolean = 1;
  entries[n] = entry("int8", AMQP_FIELD_KIND_I8);
  entries[n++].value.value.i8 = INT8_MIN;
  entries[n] = entry("uint8", AMQP_FIELD_KIND_U8);
  entries[n++].value.value.u8 = UINT8_MAX;
  entries[n] = entry("int16", AMQP_FIELD_KIND_I16);
  entries[n++].value.value.i16 = INT16_MIN;
  entries[n] = entry("uint16", AMQP_FIELD_KIND_U16);
  entries[n++].value.value.u16 = UINT16_MAX;
  entries[n++] = number_entry("int32", INT32_MIN);
  entries[n] = entry("uint32", AMQP_FIELD_KIND_U32);
  entries[n++].value.value.u32 = UINT32_MAX;
  entries[n] = entry("int64", AMQP_FIELD_KIND_I64);
  entries[n++].value.value.i64 = INT64_MIN;
  entries[n] = entry("uint64", AMQP_FIELD_KIND_U64);
  entries[n++].value.value.u64 = INT64_MAX;
  entries[n] = entry("float", AMQP_FIELD_KIND_F32);
  entries[n++].value.value.f32 = 0.5f;
  entries[n] = entry("double", AMQP_FIELD_KIND_F64);
  entries[n++].value.value.f64 = 0.1;
  entries[n] = entry("decimal", AMQP_FIELD_KIND_DECIMAL);
  entries[n++].value.value.decimal = (amqp_decimal_t){2, 31415};
  entries[n] = entry("timestamp", AMQP_FIELD_KIND_TIMESTAMP);
  entries[n++].value.value.u64 = 1700000000;
  entries[n++] = entry("nothing", AMQP_FIELD_KIND_VOID);
  inner[0] = text_entry("text", "");
  inner[1] = number_entry("one", 1);
  entries[n] = entry("table", AMQP_FIELD_KIND_TABLE);
  entries[n++].value.value.table = table(COUNT(inner), inner);
  elements[0] = inner[0].value;
  elements[1] = inner[1].value;
  elements[2] = entries[n - 1].value;
  entries[n] = entry("array", AMQP_FIELD_KIND_ARRAY);
  entries[n++].value.value.array = (amqp_array_t){COUNT(elements), elements};
  return table(n, entries);
}

/* The bytes that stand for a table on the wire. */
static size_t encode(amqp_table_t from, char *buffer, size_t size) {
  size_t length = 0;
  check("encode", amqp_encode_table((amqp_bytes_t){size, buffer}, &from, &length) == AMQP_STATUS_OK, "");
  return length;
}

static void headers_round_trip(void) {
  char *queue = exclusive_queue(amqp_empty_table);
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
  properties.headers = all_types();
  properties.message_id = bytes("7");
  publish_with(queue, "{}", properties);
  struct message message = get(queue);
  char sent[1000], received[1000];
  size_t length = encode(properties.headers, sent, sizeof sent);
  equal_number("the length", encode(message.properties.headers, received, sizeof received), length);
  check("the headers", memcmp(sent, received, length) == 0, "are others");
  equal_number("the properties", message.properties._flags, properties._flags);
  equal("message-id", string(message.properties.message_id), "7");
}

static int count(const char *queue) {
  amqp_queue_declare_ok_t *ok = amqp_queue_declare(connection, 2, bytes(queue), 1, 0, 0, 0, amqp_empty_table);
  must("a passive declare");
  return ok->message_count;
}

static void transactions(void) {
  char *queue = exclusive_queue(amqp_empty_table);
  amqp_tx_select(connection, 1);
  must("select");
  publish(queue, "rolled back");
  amqp_tx_rollback(connection, 1);
  must("rollback");
  publish(queue, "one");
  publish(queue, "two");
  equal_number("before the commit", count(queue), 0);
  amqp_tx_commit(connection, 1);
  must("commit");
  equal_number("after the commit", count(queue), 2);
  struct message message;
  check("a message", try_get(1, queue, 0, &message), queue);
  equal("what is acknowledged", message.body, "one");
  amqp_basic_ack(connection, 1, message.tag, 0);
  amqp_tx_commit(connection, 1);
  must("commit");
  equal("what is left", drain(queue), "two");
}

/* Calls over the first channel what is served by the second, which answers with the body in capitals. */
static void call(const char *reply_to) {
  char *requests = exclusive_queue(amqp_empty_table);
  amqp_basic_consume(connection, 2, bytes(requests), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  must("consume");
  amqp_basic_consume(connection, 1, bytes(reply_to), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  must("consume replies");
  amqp_basic_properties_t asks = {0};
  asks._flags = AMQP_BASIC_REPLY_TO_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG;
  asks.reply_to = bytes(reply_to);
  asks.correlation_id = bytes("call 1");
  publish_with(requests, "question", asks);

  amqp_envelope_t request = take_delivery();
  equal("the request", string(request.message.body), "question");
  amqp_basic_properties_t answers = {0};
  answers._flags = AMQP_BASIC_CORRELATION_ID_FLAG;
  answers.correlation_id = request.message.properties.correlation_id;
  amqp_basic_publish(connection, 2, amqp_empty_bytes, request.message.properties.reply_to, 0, 0, &answers,
                     bytes("QUESTION"));

  amqp_envelope_t reply = take_delivery();
  equal_number("its channel", reply.channel, 1);
  equal("the reply", string(reply.message.body), "QUESTION");
  equal("its correlation-id", string(reply.message.properties.correlation_id), "call 1");
}

static void remote_call(void) { call(exclusive_queue(amqp_empty_table)); }

static void remote_call_without_a_queue(void) { call("amq.rabbitmq.reply-to"); }

static void mandatory(void) {
  amqp_basic_properties_t none = {0};
  amqp_basic_publish(connection, 1, bytes("amq.direct"), bytes("tour.nowhere"), 1, 0, &none, bytes("come back"));
  amqp_basic_return_t *returned = take_method(AMQP_BASIC_RETURN_METHOD).decoded;
  amqp_message_t message;
  amqp_read_message(connection, 1, &message, 0);
  equal_number("the code", returned->reply_code, 312);
  equal("the text", string(returned->reply_text), "NO_ROUTE");
  equal("the routing key", string(returned->routing_key), "tour.nowhere");
  equal("the body", string(message.body), "come back");
}

/* The headers by which a message tells how it died. */
static amqp_table_t check_dead_letter(amqp_table_t headers, const char *queue) {
  amqp_array_t deaths = field(headers, "x-death", AMQP_FIELD_KIND_ARRAY).value.array;
  equal_number("how often", deaths.num_entries, 1);
  check("the death", deaths.entries[0].kind == AMQP_FIELD_KIND_TABLE, "is no table");
  amqp_table_t death = deaths.entries[0].value.table;
  equal_field(death, "reason", "expired");
  equal_number("count", field(death, "count", AMQP_FIELD_KIND_I64).value.i64, 1);
  equal_field(death, "queue", queue);
  equal_field(death, "exchange", "");
  amqp_array_t keys = field(death, "routing-keys", AMQP_FIELD_KIND_ARRAY).value.array;
  equal_number("routing-keys", keys.num_entries, 1);
  equal("routing-keys", string(keys.entries[0].value.bytes), queue);
  long age = time(NULL) - (long)field(death, "time", AMQP_FIELD_KIND_TIMESTAMP).value.u64;
  check("time", age > -60 && age < 60, "is not now");
  equal_field(headers, "x-first-death-reason", "expired");
  equal_field(headers, "x-first-death-queue", queue);
  equal_field(headers, "x-first-death-exchange", "");
  return death;
}

static void dead_letters_by_queue_ttl(void) {
  char *dead = exclusive_queue(amqp_empty_table);
  bind_queue(dead, "amq.direct", "tour.dead");
  amqp_table_entry_t arguments[] = {
      number_entry("x-message-ttl", 50),
      text_entry("x-dead-letter-exchange", "amq.direct"),
      text_entry("x-dead-letter-routing-key", "tour.dead"),
  };
  char *queue = exclusive_queue(table(COUNT(arguments), arguments));
  amqp_table_entry_t headers[] = {number_entry("mine", 1)};
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_HEADERS_FLAG;
  properties.headers = table(COUNT(headers), headers);
  publish_with(queue, "late", properties);
  struct message message = get(dead);
  equal("its exchange", message.exchange, "amq.direct");
  equal("its routing key", message.key, "tour.dead");
  equal("its body", message.body, "late");
  equal_number("its own header", field(message.properties.headers, "mine", AMQP_FIELD_KIND_I32).value.i32, 1);
  check_dead_letter(message.properties.headers, queue);
  equal("what is left", drain(queue), "");
}

static void dead_letters_by_expiration(void) {
  amqp_exchange_declare(connection, 1, bytes("tour.dead"), bytes("fanout"), 0, 0, 1, 0, amqp_empty_table);
  must("an exchange");
  char *dead = exclusive_queue(amqp_empty_table);
  bind_queue(dead, "tour.dead", "");
  amqp_table_entry_t arguments[] = {text_entry("x-dead-letter-exchange", "tour.dead")};
  char *queue = exclusive_queue(table(COUNT(arguments), arguments));
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_EXPIRATION_FLAG;
  properties.expiration = bytes("50");
  publish_with(queue, "short", properties);
  properties.expiration = bytes("60000");
  publish_with(queue, "long", properties);
  struct message message = get(dead);
  equal("its exchange", message.exchange, "tour.dead");
  /* Without x-dead-letter-routing-key a message keeps its own. */
  equal("its routing key", message.key, queue);
  equal("its body", message.body, "short");
  equal_number("an expiration", message.properties._flags & AMQP_BASIC_EXPIRATION_FLAG, 0);
  equal_field(check_dead_letter(message.properties.headers, queue), "original-expiration", "50");
  equal("what is left", drain(queue), "long");
}

static void priorities(void) {
  static const struct {
    const char *body;
    int priority;
  } messages[] = {{"low", 1}, {"high", 5}, {"low too", 1}, {"beyond", 9}};
  amqp_table_entry_t arguments[] = {number_entry("x-max-priority", 5)};
  char *queue = exclusive_queue(table(COUNT(arguments), arguments));
  publish(queue, "none");
  for (int i = 0; i < COUNT(messages); i++) {
    amqp_basic_properties_t properties = {0};
    properties._flags = AMQP_BASIC_PRIORITY_FLAG;
    properties.priority = messages[i].priority;
    publish_with(queue, messages[i].body, properties);
  }
  /* What was published over one channel need not have arrived for the other; an answer to the first says that it has. */
  amqp_basic_qos(connection, 1, 0, 0, 0);
  must("an answer");
  /* More than the highest is the highest; none is the lowest. */
  equal("the order", drain(queue), "high, beyond, low, low too, none");
}

static void length_limit(void) {
  amqp_table_entry_t arguments[] = {number_entry("x-max-length", 3), text_entry("x-overflow", "drop-head")};
  char *queue = exclusive_queue(table(COUNT(arguments), arguments));
  static const char *const bodies[] = {"0", "1", "2", "3", "4"};
  for (int i = 0; i < COUNT(bodies); i++) publish(queue, bodies[i]);
  amqp_basic_qos(connection, 1, 0, 0, 0);
  must("an answer");
  equal("what is left", drain(queue), "2, 3, 4");
}

/* The last request must have closed its channel so. */
static void refused(int code, const char *text) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  check("a refusal", reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION, text);
  check("the channel", reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD, "is not what was closed");
  amqp_channel_close_t *close = reply.reply.decoded;
  equal("the text", string(close->reply_text), text);
  equal_number("the code", close->reply_code, code);
  amqp_channel_close_ok_t ok;
  amqp_send_method(connection, 2, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
  open_channel(2);
}

static void errors(void) {
  amqp_queue_declare(connection, 2, bytes("tour.absent"), 1, 0, 0, 0, amqp_empty_table);
  refused(404, "NOT_FOUND - no queue 'tour.absent' in vhost '/'");
  amqp_queue_declare(connection, 2, bytes("tour.kept"), 0, 0, 1, 0, amqp_empty_table);
  must("a queue");
  amqp_table_entry_t arguments[] = {number_entry("x-max-length", 1)};
  amqp_queue_declare(connection, 2, bytes("tour.kept"), 0, 0, 1, 0, table(COUNT(arguments), arguments));
  refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "
               "received the value '1' of type 'signedint' but current is none");
  publish("tour.kept", "still here");
  equal("the queue", get("tour.kept").body, "still here");
}

static const struct {
  const char *what;
  void (*run)(void);
} steps[] = {
    {"a topic exchange routes to the queue that is bound, and every message is confirmed", publish_with_confirms},
    {"what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone",
     acknowledge_and_requeue},
    {"headers of every type come out as they went in", headers_round_trip},
    {"a transaction that is rolled back leaves nothing, and one that is committed all", transactions},
    {"a remote call is answered through a reply queue", remote_call},
    {"a remote call is answered through direct reply-to", remote_call_without_a_queue},
    {"a mandatory message that reaches no queue comes back", mandatory},
    {"a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why",
     dead_letters_by_queue_ttl},
    {"a message with an expiration of its own dies alone, and loses it on the way", dead_letters_by_expiration},
    {"a queue with priorities gives the most urgent message first", priorities},
    {"a queue with a length limit drops the oldest", length_limit},
    {"an error closes its channel, says why, and leaves the connection usable", errors},
};

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < COUNT(steps); i++) {
    open_connection();
    steps[i].run();
    close_connection();
    printf("ok %s\n", steps[i].what);
  }
}
