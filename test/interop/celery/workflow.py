"""Celery with Sluice as its broker: a worker is started, and a workflow is run by it.

The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
RabbitMQ too. Chords are not in it: Celery's results over messages (rpc://) have none, whatever the broker.
"""

import contextlib
import datetime
import inspect
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672/')
# In a process of its own each, as Celery has one application for a process.
if len(sys.argv) < 2:
    for queue_type in ('classic', 'quorum'):
        os.environ['CELERY_QUEUE_TYPE'] = queue_type
        if (status := subprocess.run([sys.executable, __file__, queue_type]).returncode) != 0:
            sys.exit(status)
    sys.exit(0)

from celery import chain, group  # noqa: E402
from tasks import QUEUE_TYPE, add, app, fail, succeed_at_third_attempt  # noqa: E402

PATIENCE_S = 15


def check(what, condition, *details):
    if not condition:
        raise SystemExit(f'FAILED {what}: {", ".join(map(str, details))}')


def equal(what, actual, expected):
    check(what, actual == expected, f'expected {expected!r}, got {actual!r}')


@contextlib.contextmanager
def worker():
    """A worker with two processes, as an application has it."""
    command = [sys.executable, '-m', 'celery', '-A', 'tasks', 'worker', '-c', '2', '-l', 'warning', '-n', QUEUE_TYPE]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        except BaseException:
            log.seek(0)
            print(log.read().decode())
            raise
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def remote_control():
    """a worker answers a ping, which is sent to all of them"""
    deadline = time.monotonic() + PATIENCE_S
    while not (replies := app.control.ping(timeout=0.5)):
        check('a ping is answered', time.monotonic() < deadline)
    equal('the pong', replies, [{f'celery@{QUEUE_TYPE}': {'ok': 'pong'}}])


def result():
    """the result of a task comes back"""
    equal('2 + 3', add.delay(2, 3).get(timeout=PATIENCE_S), 5)


def failure():
    """so does its failure"""
    try:
        fail.delay('as expected').get(timeout=PATIENCE_S)
    except ValueError as error:
        equal('the error', str(error), 'as expected')
    else:
        check('a failure', False)


def chained():
    """in a chain each task gets the result of the one before it"""
    equal('1 + 2 + 3 + 4', chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=PATIENCE_S), 10)


def grouped():
    """the tasks of a group are done side by side, and their results come in the order of the tasks"""
    results = group(add.s(number, number) for number in range(50))().get(timeout=PATIENCE_S)
    equal('the sums', results, [2 * number for number in range(50)])


def retried():
    """a task that asks for it is tried again, after a time that grows"""
    begin = time.monotonic()
    equal('the attempts', succeed_at_third_attempt.delay().get(timeout=PATIENCE_S), 3)
    check('it waited in between', time.monotonic() - begin >= 3, time.monotonic() - begin)


def counted_down():
    """a task with a countdown is done after it, and holds up nothing"""
    begin = time.monotonic()
    later = add.apply_async((1, 2), countdown=2)
    equal('what is to be done now', add.delay(3, 4).get(timeout=PATIENCE_S), 7)
    check('it was done at once', time.monotonic() - begin < 2, time.monotonic() - begin)
    equal('1 + 2', later.get(timeout=PATIENCE_S), 3)
    check('it waited', time.monotonic() - begin >= 2, time.monotonic() - begin)


def at_a_time():
    """a task with a time to be done at is done then"""
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    equal('1 + 2', add.apply_async((1, 2), eta=eta).get(timeout=PATIENCE_S), 3)
    late_s = (datetime.datetime.now(datetime.timezone.utc) - eta).total_seconds()
    check('it waited, to the second', -1 < late_s < 3, late_s)


def nothing_left():
    """nothing is left in the queue"""
    with app.connection_for_read() as connection:
        queue = connection.default_channel.queue_declare(f'tour.{QUEUE_TYPE}', passive=True)
    equal('the messages', queue.message_count, 0)


with worker():
    for step in (remote_control, result, failure, chained, grouped, retried, counted_down, at_a_time, nothing_left):
        step()
        print(f'ok {QUEUE_TYPE} queues: {inspect.getdoc(step)}')
