/* What every step of the tour does with librabbitmq, in one call each: declare, publish, get, wait for a delivery. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 10
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Each step has a connection of its own, with the channels 1 and 2. */
static amqp_connection_state_t connection;

static void check(const char *what, int condition, const char *details) {
  if (condition) return;
  printf("FAILED %s: %s\n", what, details);
  exit(1);
}

static void equal(const char *what, const char *actual, const char *expected) {
  if (strcmp(actual, expected) == 0) return;
  printf("FAILED %s: expected '%s', got '%s'\n", what, expected, actual);
  exit(1);
}

static void equal_number(const char *what, long actual, long expected) {
  if (actual == expected) return;
  printf("FAILED %s: expected %ld, got %ld\n", what, expected, actual);
  exit(1);
}

/* A copy with a zero at its end; a tour is too short for anybody to free it. */
static char *string(amqp_bytes_t bytes) {
  return strndup(bytes.bytes == NULL ? "" : bytes.bytes, bytes.len);
}

/* Ends the program if the last request was refused. */
static void must(const char *what) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    check(what, 0, string(((amqp_channel_close_t *)reply.reply.decoded)->reply_text));
  }
  check(what, 0, reply.library_error != 0 ? amqp_error_string2(reply.library_error) : "the connection was closed");
}

static void open_channel(int channel) {
  amqp_channel_open(connection, channel);
  must("open a channel");
}

static void open_connection(void) {
  struct amqp_connection_info where;
  const char *given = getenv("AMQP_URL");
  char *url = strdup(given != NULL ? given : "amqp://guest:guest@127.0.0.1:5672");
  /* To the library a / at the end is a virtual host without a name. */
  if (url[strlen(url) - 1] == '/') url[strlen(url) - 1] = '\0';
  check("the URL", amqp_parse_url(url, &where) == AMQP_STATUS_OK, url);
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  check("connect", amqp_socket_open(socket, where.host, where.port) == AMQP_STATUS_OK, url);
  struct timeval patience = {PATIENCE_S, 0};
  amqp_set_rpc_timeout(connection, &patience);
  amqp_rpc_reply_t reply = amqp_login(connection, where.vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN,
                                      where.user, where.password);
  check("log in", reply.reply_type == AMQP_RESPONSE_NORMAL, url);
  open_channel(1);
  open_channel(2);
}

static void close_connection(void) {
  check("close", amqp_connection_close(connection, AMQP_REPLY_SUCCESS).reply_type == AMQP_RESPONSE_NORMAL, "");
  amqp_destroy_connection(connection);
}

static amqp_bytes_t bytes(const char *text) { return amqp_cstring_bytes(text); }

/* Entries of a table, by the type of the value. */
static amqp_table_entry_t entry(const char *name, char kind) {
  amqp_table_entry_t made;
  memset(&made, 0, sizeof made);
  made.key = bytes(name);
  made.value.kind = kind;
  return made;
}

static amqp_table_entry_t number_entry(const char *name, int value) {
  amqp_table_entry_t made = entry(name, AMQP_FIELD_KIND_I32);
  made.value.value.i32 = value;
  return made;
}

static amqp_table_entry_t text_entry(const char *name, const char *value) {
  amqp_table_entry_t made = entry(name, AMQP_FIELD_KIND_UTF8);
  made.value.value.bytes = bytes(value);
  return made;
}

static amqp_table_t table(int count, amqp_table_entry_t *entries) {
  amqp_table_t made = {count, entries};
  return made;
}

/* The value of a table's entry; it must be there, and of this kind. */
static amqp_field_value_t field(amqp_table_t from, const char *name, char kind) {
  for (int i = 0; i < from.num_entries; i++) {
    if (strcmp(string(from.entries[i].key), name) != 0) continue;
    check(name, from.entries[i].value.kind == kind, "is of another type");
    return from.entries[i].value;
  }
  check(name, 0, "is not there");
  abort();
}

static void equal_field(amqp_table_t from, const char *name, const char *expected) {
  equal(name, string(field(from, name, AMQP_FIELD_KIND_UTF8).value.bytes), expected);
}

static char *exclusive_queue(amqp_table_t arguments) {
  amqp_queue_declare_ok_t *ok = amqp_queue_declare(connection, 1, amqp_empty_bytes, 0, 0, 1, 0, arguments);
  must("declare a queue");
  return string(ok->queue);
}

static void bind_queue(const char *queue, const char *exchange, const char *key) {
  amqp_queue_bind(connection, 1, bytes(queue), bytes(exchange), bytes(key), amqp_empty_table);
  must("bind");
}

static void publish_with(const char *queue, const char *body, amqp_basic_properties_t properties) {
  int status = amqp_basic_publish(connection, 1, amqp_empty_bytes, bytes(queue), 0, 0, &properties, bytes(body));
  check("publish", status == AMQP_STATUS_OK, amqp_error_string2(status));
}

static void publish(const char *queue, const char *body) {
  amqp_basic_properties_t none = {0};
  publish_with(queue, body, none);
}

struct message {
  uint64_t tag;
  char *exchange, *key, *body;
  amqp_basic_properties_t properties;
};

/* Takes a message of a queue if there is one. */
static int try_get(int channel, const char *queue, int no_ack, struct message *message) {
  amqp_rpc_reply_t reply = amqp_basic_get(connection, channel, bytes(queue), no_ack);
  check("get", reply.reply_type == AMQP_RESPONSE_NORMAL, queue);
  if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return 0;
  amqp_basic_get_ok_t *ok = reply.reply.decoded;
  amqp_message_t content;
  reply = amqp_read_message(connection, channel, &content, 0);
  check("read a message", reply.reply_type == AMQP_RESPONSE_NORMAL, queue);
  message->tag = ok->delivery_tag;
  message->exchange = string(ok->exchange);
  message->key = string(ok->routing_key);
  message->body = string(content.body);
  message->properties = content.properties;
  return 1;
}

/* Takes the next message of a queue, and waits for it if need be. */
static struct message get(const char *queue) {
  struct message message;
  for (int i = 0; i < PATIENCE_S * 100; i++) {
    if (try_get(1, queue, 1, &message)) return message;
    usleep(10000);
  }
  check("a message comes", 0, queue);
  abort();
}

/* Takes all messages that a queue has: "first, second". */
static char *drain(const char *queue) {
  static char bodies[1000];
  struct message message;
  bodies[0] = '\0';
  while (try_get(2, queue, 1, &message)) {
    if (bodies[0] != '\0') strcat(bodies, ", ");
    strcat(bodies, message.body);
  }
  return bodies;
}

/* The next delivery to any consumer of the connection. */
static amqp_envelope_t take_delivery(void) {
  amqp_envelope_t envelope;
  struct timeval patience = {PATIENCE_S, 0};
  amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, &patience, 0);
  check("a delivery", reply.reply_type == AMQP_RESPONSE_NORMAL, amqp_error_string2(reply.library_error));
  return envelope;
}

/* The next method that the broker sends without being asked: a confirm, a return, an error. */
static amqp_method_t take_method(amqp_method_number_t expected) {
  amqp_frame_t frame;
  struct timeval patience = {PATIENCE_S, 0};
  int status = amqp_simple_wait_frame_noblock(connection, &frame, &patience);
  check("a method", status == AMQP_STATUS_OK, amqp_error_string2(status));
  check("the method", frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == expected,
        amqp_method_name(frame.payload.method.id));
  return frame.payload.method;
}
