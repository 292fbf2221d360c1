"""The tasks of an application that uses Celery, with the broker at AMQP_URL for the tasks and for their results.

CELERY_QUEUE_TYPE chooses classic queues, where a worker holds what is to be done later, or quorum queues, where Celery
has it wait in the broker: in a row of queues whose time-to-live doubles from one to the next.
"""

import os

from celery import Celery
from kombu import Queue

QUEUE_TYPE = os.environ.get('CELERY_QUEUE_TYPE', 'classic')

# To Celery a / at the end is a virtual host without a name.
app = Celery('tour', broker=os.environ['AMQP_URL'].rstrip('/') + '//', backend='rpc://')
app.conf.update(
    task_queues=[Queue(f'tour.{QUEUE_TYPE}', queue_arguments={'x-queue-type': QUEUE_TYPE}, routing_key='tour')],
    task_default_queue=f'tour.{QUEUE_TYPE}',
    task_default_exchange_type='topic',
    task_default_routing_key='tour',
    broker_transport_options={'confirm_publish': True},
    broker_connection_retry_on_startup=False,
    worker_hijack_root_logger=False,
    task_acks_late=True,
)


@app.task
def add(x, y):
    return x + y


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def succeed_at_third_attempt(self):
    """Says how often it was tried; between the attempts there is 1 s, then 2 s."""
    attempt = self.request.retries + 1
    if attempt < 3:
        raise self.retry(countdown=2 ** (attempt - 1))
    return attempt
