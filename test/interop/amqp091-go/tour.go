// What an application relies on, with amqp091-go: each step is one thing that it does, and checks that it came out so.
// The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
// RabbitMQ too.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const patience = 10 * time.Second

type step struct {
	what string
	run  func(*amqp.Connection)
}

var steps = []step{
	{"a topic exchange routes to the queue that is bound, and every message is confirmed", publishWithConfirms},
	{"what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone", acknowledgeAndRequeue},
	{"headers of every type that amqp091-go writes come out as they went in", headersRoundTrip},
	{"a transaction that is rolled back leaves nothing, and one that is committed all", transactions},
	{"a remote call is answered through a reply queue", remoteCall},
	{"a remote call is answered through direct reply-to", remoteCallWithoutAQueue},
	{"a mandatory message that reaches no queue comes back", mandatory},
	{"a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why", deadLettersByQueueTTL},
	{"a message with an expiration of its own dies alone, and loses it on the way", deadLettersByExpiration},
	{"a queue with priorities gives the most urgent message first", priorities},
	{"a queue with a length limit drops the oldest", lengthLimit},
	{"an error closes its channel, says why, and leaves the connection usable", refusals},
}

func main() {
	url := os.Getenv("AMQP_URL")
	if url == "" {
		url = "amqp://guest:guest@127.0.0.1:5672/"
	}
	for _, each := range steps {
		connection, err := amqp.Dial(url)
		must("connect", err)
		each.run(connection)
		must("close", connection.Close())
		fmt.Println("ok", each.what)
	}
}

func check(what string, condition bool, details ...any) {
	if !condition {
		fmt.Println(append([]any{"FAILED", what + ":"}, details...)...)
		os.Exit(1)
	}
}

func must(what string, err error) { check(what, err == nil, err) }

func equal(what string, actual, expected any) {
	check(what, reflect.DeepEqual(actual, expected), fmt.Sprintf("expected %#v, got %#v", expected, actual))
}

// take waits for what a channel of Go brings next.
func take[T any](what string, from <-chan T) T {
	select {
	case value, open := <-from:
		check(what, open, "the channel was closed")
		return value
	case <-time.After(patience):
		check(what, false, "nothing came for", patience)
		panic("unreachable")
	}
}

func open(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	must("a channel", err)
	return channel
}

func exclusiveQueue(channel *amqp.Channel, arguments amqp.Table) string {
	queue, err := channel.QueueDeclare("", false, false, true, false, arguments)
	must("a queue", err)
	return queue.Name
}

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	must("publish", channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func text(body string) amqp.Publishing {
	return amqp.Publishing{ContentType: "text/plain", Body: []byte(body)}
}

// get takes the next message of a queue, and waits for it if need be.
func get(channel *amqp.Channel, queue string) amqp.Delivery {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		message, isThere, err := channel.Get(queue, true)
		must("get", err)
		if isThere {
			return message
		}
	}
	check("a message comes", false, queue)
	panic("unreachable")
}

func drain(channel *amqp.Channel, queue string) string {
	bodies := []string{}
	for {
		message, isThere, err := channel.Get(queue, true)
		must("get", err)
		if !isThere {
			return strings.Join(bodies, ", ")
		}
		bodies = append(bodies, string(message.Body))
	}
}

func publishWithConfirms(connection *amqp.Connection) {
	channel := open(connection)
	must("confirms", channel.Confirm(false))
	must("an exchange", channel.ExchangeDeclare("tour.orders", "topic", true, false, false, false, nil))
	_, err := channel.QueueDeclare("tour.invoices", true, false, false, false, nil)
	must("a queue", err)
	must("a binding", channel.QueueBind("tour.invoices", "order.*.paid", "tour.orders", false, nil))
	var confirms []*amqp.DeferredConfirmation
	send := func(key, body string) {
		message := text(body)
		message.DeliveryMode = amqp.Persistent
		confirm, err := channel.PublishWithDeferredConfirm("tour.orders", key, false, false, message)
		must("publish", err)
		confirms = append(confirms, confirm)
	}
	for number := 0; number < 10; number++ {
		send(fmt.Sprintf("order.%d.paid", number), strconv.Itoa(number))
	}
	send("order.1.cancelled", "for nobody")
	inTime, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, confirm := range confirms {
		isConfirmed, err := confirm.WaitContext(inTime)
		check("the confirm", isConfirmed && err == nil, confirm.DeliveryTag, err)
	}
	equal("the bodies", drain(channel, "tour.invoices"), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9")
	_, err = channel.QueueDelete("tour.invoices", false, false, false)
	must("delete", err)
	must("delete", channel.ExchangeDelete("tour.orders", false, false))
}

func acknowledgeAndRequeue(connection *amqp.Connection) {
	channel := open(connection)
	queue := exclusiveQueue(channel, nil)
	publish(channel, "", queue, text("first"))
	publish(channel, "", queue, text("second"))
	must("prefetch", channel.Qos(1, 0, false))
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	must("consume", err)
	for i, expected := range []string{"first false", "first true", "second false"} {
		delivery := take("a delivery", deliveries)
		equal("the delivery", fmt.Sprintf("%s %t", delivery.Body, delivery.Redelivered), expected)
		if i == 0 {
			must("nack", delivery.Nack(false, true))
		} else {
			must("ack", delivery.Ack(false))
		}
	}
	equal("what is left", drain(channel, queue), "")
}

func headersRoundTrip(connection *amqp.Connection) {
	channel := open(connection)
	queue := exclusiveQueue(channel, nil)
	headers := amqp.Table{
		"text":      "größer als 日本",
		"bytes":     []byte{0, 1, 255},
		"yes":       true,
		"no":        false,
		"uint8":     byte(255),
		"int8":      int8(-128),
		"int16":     int16(-32768),
		"int32":     int32(-2147483648),
		"int64":     int64(-9223372036854775808),
		"float":     float32(0.5),
		"double":    0.1,
		"decimal":   amqp.Decimal{Scale: 2, Value: 31415},
		"timestamp": time.Unix(1_700_000_000, 0),
		"nothing":   nil,
		"array":     []any{"a", int32(1), []any{true, nil}, amqp.Table{"inner": 0.25}},
		"table":     amqp.Table{"deeper": amqp.Table{"deepest": []any{int32(1), int32(2)}}, "text": ""},
	}
	publish(channel, "", queue, amqp.Publishing{
		Headers: headers, ContentType: "application/json", MessageId: "7", Type: "kind", Body: []byte("{}"),
	})
	message := get(channel, queue)
	equal("the headers", message.Headers, headers)
	equal("the properties", []string{message.ContentType, message.MessageId, message.Type},
		[]string{"application/json", "7", "kind"})
}

func transactions(connection *amqp.Connection) {
	channel, watcher := open(connection), open(connection)
	queue := exclusiveQueue(channel, nil)
	count := func() int {
		state, err := watcher.QueueDeclarePassive(queue, false, false, true, false, nil)
		must("a passive declare", err)
		return state.Messages
	}
	must("select", channel.Tx())
	publish(channel, "", queue, text("rolled back"))
	must("rollback", channel.TxRollback())
	publish(channel, "", queue, text("one"))
	publish(channel, "", queue, text("two"))
	equal("before the commit", count(), 0)
	must("commit", channel.TxCommit())
	equal("after the commit", count(), 2)
	message, _, err := channel.Get(queue, false)
	must("get", err)
	must("ack", message.Ack(false))
	must("commit", channel.TxCommit())
	equal("what was acknowledged", string(message.Body), "one")
	equal("what is left", drain(watcher, queue), "two")
}

// serve is the other side of a remote call: it answers each request with its body in capitals.
func serve(channel *amqp.Channel) string {
	queue := exclusiveQueue(channel, nil)
	requests, err := channel.Consume(queue, "", false, false, false, false, nil)
	must("consume", err)
	go func() {
		for request := range requests {
			reply := text(strings.ToUpper(string(request.Body)))
			reply.CorrelationId = request.CorrelationId
			publish(channel, "", request.ReplyTo, reply)
			must("ack", request.Ack(false))
		}
	}()
	return queue
}

// call sends a request and waits for the reply.
func call(connection *amqp.Connection, channel *amqp.Channel, replyTo string) {
	requests := serve(open(connection))
	replies, err := channel.Consume(replyTo, "", true, false, false, false, nil)
	must("consume", err)
	request := text("question")
	request.ReplyTo = replyTo
	request.CorrelationId = "call 1"
	publish(channel, "", requests, request)
	reply := take("a reply", replies)
	equal("the reply", reply.CorrelationId+": "+string(reply.Body), "call 1: QUESTION")
}

func remoteCall(connection *amqp.Connection) {
	channel := open(connection)
	call(connection, channel, exclusiveQueue(channel, nil))
}

func remoteCallWithoutAQueue(connection *amqp.Connection) {
	call(connection, open(connection), "amq.rabbitmq.reply-to")
}

func mandatory(connection *amqp.Connection) {
	channel := open(connection)
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	must("publish", channel.PublishWithContext(
		context.Background(), "amq.direct", "tour.nowhere", true, false, text("come back")))
	returned := take("a return", returns)
	equal("the code", fmt.Sprint(returned.ReplyCode, " ", returned.ReplyText), "312 NO_ROUTE")
	equal("the message", returned.RoutingKey+": "+string(returned.Body), "tour.nowhere: come back")
}

// checkDeadLetter checks the headers by which a message tells how it died.
func checkDeadLetter(headers amqp.Table, queue string) amqp.Table {
	deaths, _ := headers["x-death"].([]any)
	equal("how often", len(deaths), 1)
	death := deaths[0].(amqp.Table)
	equal("the reason", death["reason"], "expired")
	equal("the count", death["count"], int64(1))
	equal("where it died", []any{death["queue"], death["exchange"], death["routing-keys"]},
		[]any{queue, "", []any{queue}})
	at, isTime := death["time"].(time.Time)
	check("when", isTime && time.Since(at).Abs() < time.Minute, death["time"])
	equal("the first death",
		[]any{headers["x-first-death-reason"], headers["x-first-death-queue"], headers["x-first-death-exchange"]},
		[]any{"expired", queue, ""})
	return death
}

func deadLettersByQueueTTL(connection *amqp.Connection) {
	channel := open(connection)
	dead := exclusiveQueue(channel, nil)
	must("a binding", channel.QueueBind(dead, "tour.dead", "amq.direct", false, nil))
	queue := exclusiveQueue(channel, amqp.Table{
		"x-message-ttl":             50,
		"x-dead-letter-exchange":    "amq.direct",
		"x-dead-letter-routing-key": "tour.dead",
	})
	publish(channel, "", queue, amqp.Publishing{Headers: amqp.Table{"mine": int32(1)}, Body: []byte("late")})
	message := get(channel, dead)
	equal("the dead letter", []string{message.Exchange, message.RoutingKey, string(message.Body)},
		[]string{"amq.direct", "tour.dead", "late"})
	equal("its own header", message.Headers["mine"], int32(1))
	checkDeadLetter(message.Headers, queue)
	equal("what is left", drain(channel, queue), "")
}

func deadLettersByExpiration(connection *amqp.Connection) {
	channel := open(connection)
	must("an exchange", channel.ExchangeDeclare("tour.dead", "fanout", false, true, false, false, nil))
	dead := exclusiveQueue(channel, nil)
	must("a binding", channel.QueueBind(dead, "", "tour.dead", false, nil))
	queue := exclusiveQueue(channel, amqp.Table{"x-dead-letter-exchange": "tour.dead"})
	publish(channel, "", queue, amqp.Publishing{Expiration: "50", Body: []byte("short")})
	publish(channel, "", queue, amqp.Publishing{Expiration: "60000", Body: []byte("long")})
	message := get(channel, dead)
	// Without x-dead-letter-routing-key a message keeps its own.
	equal("the dead letter", []string{message.Exchange, message.RoutingKey, string(message.Body)},
		[]string{"tour.dead", queue, "short"})
	equal("its expiration", message.Expiration, "")
	equal("what it was", checkDeadLetter(message.Headers, queue)["original-expiration"], "50")
	equal("what is left", drain(channel, queue), "long")
}

func priorities(connection *amqp.Connection) {
	channel := open(connection)
	queue := exclusiveQueue(channel, amqp.Table{"x-max-priority": 5})
	send := func(body string, priority uint8) {
		publish(channel, "", queue, amqp.Publishing{Body: []byte(body), Priority: priority})
	}
	send("none", 0)
	send("low", 1)
	send("high", 5)
	send("low too", 1)
	send("beyond", 9)
	// More than the highest is the highest; none is the lowest.
	equal("the order", drain(channel, queue), "high, beyond, low, low too, none")
}

func lengthLimit(connection *amqp.Connection) {
	channel := open(connection)
	queue := exclusiveQueue(channel, amqp.Table{"x-max-length": 3, "x-overflow": "drop-head"})
	for number := 0; number < 5; number++ {
		publish(channel, "", queue, text(strconv.Itoa(number)))
	}
	equal("what is left", drain(channel, queue), "2, 3, 4")
}

func refusals(connection *amqp.Connection) {
	_, err := open(connection).QueueDeclarePassive("tour.absent", false, false, false, false, nil)
	checkRefusal(err, 404, "NOT_FOUND - no queue 'tour.absent' in vhost '/'")

	channel := open(connection)
	_, err = channel.QueueDeclare("tour.kept", false, false, true, false, nil)
	must("a queue", err)
	_, err = channel.QueueDeclare("tour.kept", false, false, true, false, amqp.Table{"x-max-length": int32(1)})
	checkRefusal(err, 406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "+
		"received the value '1' of type 'signedint' but current is none")

	channel = open(connection)
	publish(channel, "", "tour.kept", text("still here"))
	equal("the queue", string(get(channel, "tour.kept").Body), "still here")
}

func checkRefusal(err error, code int, reason string) {
	var refusal *amqp.Error
	check("a refusal", errors.As(err, &refusal), err)
	equal("the code", refusal.Code, code)
	equal("the text", refusal.Reason, reason)
}
