# frozen_string_literal: true

# What an application relies on, with bunny: each step is one thing that it does, and checks that it came out so.
# The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
# RabbitMQ too.

require 'bunny'

URL = ENV.fetch('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672').chomp('/')
PATIENCE_S = 10

def check(what, condition, details = nil)
  abort "FAILED #{what}: #{details}" unless condition
end

def equal(what, actual, expected)
  check(what, actual == expected, "expected #{expected.inspect}, got #{actual.inspect}")
end

# Waits for the next thing that a consumer has put into an inbox.
def take(inbox)
  Timeout.timeout(PATIENCE_S) { inbox.pop }
rescue Timeout::Error
  check('something arrives', false, "nothing came for #{PATIENCE_S} s")
end

# Takes the next message of a queue, and waits for it if need be.
def get(queue)
  (PATIENCE_S * 100).times do
    delivery, properties, body = queue.pop
    return delivery, properties, body if delivery

    sleep 0.01
  end
  check('a message comes', false, queue.name)
end

def drain(queue)
  bodies = []
  while (body = queue.pop.last)
    bodies << body
  end
  bodies
end

def exclusive_queue(channel, arguments = {})
  channel.queue('', exclusive: true, arguments: arguments)
end

# Each step has a connection of its own.
def step(what)
  # An error that nobody waits for must not go unnoticed, nor be printed where it is expected.
  connection = Bunny.new(URL, automatically_recover: false, logger: Logger.new(File::NULL))
  connection.start
  yield connection
  connection.close
  puts "ok #{what}"
end

step 'a topic exchange routes to the queue that is bound, and every message is confirmed' do |connection|
  channel = connection.create_channel
  channel.confirm_select
  orders = channel.topic('tour.orders', durable: true)
  invoices = channel.queue('tour.invoices', durable: true).bind(orders, routing_key: 'order.*.paid')
  10.times { |number| orders.publish(number.to_s, routing_key: "order.#{number}.paid", persistent: true) }
  orders.publish('for nobody', routing_key: 'order.1.cancelled')
  # True if the broker has confirmed all of them, false if it refused some.
  check('the confirms', channel.wait_for_confirms)
  equal('the bodies', drain(invoices), (0..9).map(&:to_s))
  invoices.delete
  orders.delete
end

step 'what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone' do |connection|
  channel = connection.create_channel
  queue = exclusive_queue(channel)
  queue.publish('first').publish('second')
  channel.prefetch(1)
  inbox = Queue.new
  queue.subscribe(manual_ack: true) { |delivery, _, body| inbox << [delivery, body] }
  seen = []
  3.times do
    delivery, body = take(inbox)
    seen << [body, delivery.redelivered?]
    if seen.one?
      channel.nack(delivery.delivery_tag, false, true)
    else
      channel.ack(delivery.delivery_tag)
    end
  end
  equal('the deliveries', seen, [['first', false], ['first', true], ['second', false]])
  equal('what is left', drain(queue), [])
end

step 'headers of every type that bunny writes come out as they went in' do |connection|
  headers = {
    # bunny reads texts as bytes.
    'text' => 'größer als 日本'.b,
    'yes' => true,
    'no' => false,
    'long' => -(2**63),
    'float' => AMQ::Protocol::Float32Bit.new(0.5),
    'double' => 0.1,
    'timestamp' => Time.at(1_700_000_000),
    'nothing' => nil,
    'array' => ['a', 1, ['b', ['c']], { 'inner' => 0.25 }],
    'table' => { 'deeper' => { 'deepest' => [1, 2, 3] }, 'text' => '' }
  }
  queue = exclusive_queue(connection.create_channel)
  queue.publish('{}', headers: headers, content_type: 'application/json', message_id: '7', type: 'kind')
  _, properties, = get(queue)
  equal('the headers', properties.headers, headers.merge('float' => 0.5))
  equal('the properties', [properties.content_type, properties.message_id, properties.type],
        ['application/json', '7', 'kind'])
end

step 'a transaction that is rolled back leaves nothing, and one that is committed all' do |connection|
  channel = connection.create_channel
  queue = exclusive_queue(channel)
  watched = connection.create_channel.queue(queue.name, passive: true)
  channel.tx_select
  queue.publish('rolled back')
  channel.tx_rollback
  queue.publish('one').publish('two')
  equal('before the commit', watched.message_count, 0)
  channel.tx_commit
  equal('after the commit', watched.message_count, 2)
  delivery, _, body = queue.pop(manual_ack: true)
  channel.ack(delivery.delivery_tag)
  channel.tx_commit
  equal('what was acknowledged', body, 'one')
  equal('what is left', drain(watched), ['two'])
end

# The other side of a remote call: answers each request with its body in capitals.
def serve(connection)
  channel = connection.create_channel
  requests = exclusive_queue(channel)
  requests.subscribe do |_, request, body|
    channel.default_exchange.publish(
      body.upcase, routing_key: request.reply_to, correlation_id: request.correlation_id
    )
  end
  requests.name
end

# Sends a request and waits for the reply.
def call(channel, requests, reply_to)
  inbox = Queue.new
  channel.basic_consume(reply_to, '', true) { |_, reply, body| inbox << [reply.correlation_id, body] }
  channel.default_exchange.publish('question', routing_key: requests, reply_to: reply_to, correlation_id: 'call 1')
  take(inbox)
end

step 'a remote call is answered through a reply queue' do |connection|
  channel = connection.create_channel
  reply = call(channel, serve(connection), exclusive_queue(channel).name)
  equal('the reply', reply, ['call 1', 'QUESTION'])
end

step 'a remote call is answered through direct reply-to' do |connection|
  reply = call(connection.create_channel, serve(connection), 'amq.rabbitmq.reply-to')
  equal('the reply', reply, ['call 1', 'QUESTION'])
end

step 'a mandatory message that reaches no queue comes back' do |connection|
  exchange = connection.create_channel.direct('amq.direct')
  inbox = Queue.new
  exchange.on_return { |returned, _, body| inbox << [returned, body] }
  exchange.publish('come back', routing_key: 'tour.nowhere', mandatory: true)
  returned, body = take(inbox)
  equal('the code', [returned.reply_code, returned.reply_text], [312, 'NO_ROUTE'])
  equal('the message', [returned.routing_key, body], ['tour.nowhere', 'come back'])
end

# The headers by which a message tells how it died.
def check_dead_letter(headers, queue)
  equal('how often', headers['x-death'].size, 1)
  death = headers['x-death'].first
  equal('the reason', [death['reason'], death['count']], ['expired', 1])
  equal('where it died', [death['queue'], death['exchange'], death['routing-keys']], [queue.name, '', [queue.name]])
  check('when', death['time'].is_a?(Time), death)
  first = %w[reason queue exchange].map { |what| headers["x-first-death-#{what}"] }
  equal('the first death', first, ['expired', queue.name, ''])
  death
end

step 'a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why' do |connection|
  channel = connection.create_channel
  dead = exclusive_queue(channel).bind('amq.direct', routing_key: 'tour.dead')
  queue = exclusive_queue(
    channel,
    'x-message-ttl' => 50,
    'x-dead-letter-exchange' => 'amq.direct',
    'x-dead-letter-routing-key' => 'tour.dead'
  )
  queue.publish('late', headers: { 'mine' => 1 })
  delivery, properties, body = get(dead)
  equal('the dead letter', [delivery.exchange, delivery.routing_key, body], ['amq.direct', 'tour.dead', 'late'])
  equal('its own header', properties.headers['mine'], 1)
  check_dead_letter(properties.headers, queue)
  equal('what is left', drain(queue), [])
end

step 'a message with an expiration of its own dies alone, and loses it on the way' do |connection|
  channel = connection.create_channel
  exchange = channel.fanout('tour.dead', auto_delete: true)
  dead = exclusive_queue(channel).bind(exchange)
  queue = exclusive_queue(channel, 'x-dead-letter-exchange' => exchange.name)
  queue.publish('short', expiration: '50').publish('long', expiration: '60000')
  delivery, properties, body = get(dead)
  # Without x-dead-letter-routing-key a message keeps its own.
  equal('the dead letter', [delivery.exchange, delivery.routing_key, body], ['tour.dead', queue.name, 'short'])
  equal('its expiration', properties.expiration, nil)
  equal('what it was', check_dead_letter(properties.headers, queue)['original-expiration'], '50')
  equal('what is left', drain(queue), ['long'])
end

step 'a queue with priorities gives the most urgent message first' do |connection|
  queue = exclusive_queue(connection.create_channel, 'x-max-priority' => 5)
  { 'none' => nil, 'low' => 1, 'high' => 5, 'low too' => 1, 'beyond' => 9 }.each do |body, priority|
    queue.publish(body, priority: priority)
  end
  # More than the highest is the highest; none is the lowest (bunny says 0 then).
  equal('the order', drain(queue), ['high', 'beyond', 'low', 'low too', 'none'])
end

step 'a queue with a length limit drops the oldest' do |connection|
  queue = exclusive_queue(connection.create_channel, 'x-max-length' => 3, 'x-overflow' => 'drop-head')
  5.times { |number| queue.publish(number.to_s) }
  equal('what is left', drain(queue), %w[2 3 4])
end

step 'an error closes its channel, says why, and leaves the connection usable' do |connection|
  begin
    connection.create_channel.queue_declare('tour.absent', passive: true)
    check('404', false)
  rescue Bunny::NotFound => e
    equal('the code', e.channel_close.reply_code, 404)
    equal('the text', e.channel_close.reply_text, "NOT_FOUND - no queue 'tour.absent' in vhost '/'")
  end
  connection.create_channel.queue('tour.kept', exclusive: true)
  begin
    connection.create_channel.queue('tour.kept', exclusive: true, arguments: { 'x-max-length' => 1 })
    check('406', false)
  rescue Bunny::PreconditionFailed => e
    equal('the code', e.channel_close.reply_code, 406)
    # Every integer of bunny's is a 64-bit 'long'; a broker may name the type by the value.
    equal('the text', e.channel_close.reply_text.sub("'signedint'", "'long'"),
          "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': " \
          "received the value '1' of type 'long' but current is none")
  end
  queue = connection.create_channel.queue('tour.kept', exclusive: true)
  queue.publish('still here')
  equal('the queue', get(queue).last, 'still here')
end
