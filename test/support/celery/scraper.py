"""A Celery application as the scraper is one, whose tasks can be counted afterwards.

Redis lists: scraper:started and scraper:finished hold task ids in order; scraper:stopped the services that ended
in an orderly way. scraper:begun and scraper:ready are taken from by whoever waits for the event. `python scraper.py submit N` prints the ids of N tasks.
"""

import atexit
import os
import sys
import time

from celery import Celery
from celery.signals import beat_init, worker_ready, worker_shutdown
from redis import Redis

URL = os.environ["SCRAPER_REDIS_URL"]
TASK_SECONDS = float(os.environ.get("SCRAPER_TASK_SECONDS", "1"))
BEAT_SECONDS = os.environ.get("SCRAPER_BEAT_SECONDS")

redis = Redis.from_url(URL)
app = Celery("scraper", broker=URL, backend=URL)
app.conf.enable_utc = True
if BEAT_SECONDS:
    app.conf.beat_schedule = {"tick": {"task": "scraper.work", "schedule": float(BEAT_SECONDS)}}


@app.task(bind=True, name="scraper.work")
def work(self):
    redis.rpush("scraper:started", self.request.id)
    redis.rpush("scraper:begun", self.request.id)
    time.sleep(TASK_SECONDS)
    redis.rpush("scraper:finished", self.request.id)


@worker_ready.connect
def on_worker_ready(**_):
    redis.rpush("scraper:ready", "worker")


@worker_shutdown.connect
def on_worker_shutdown(**_):
    redis.rpush("scraper:stopped", "worker")


@beat_init.connect
def on_beat_init(**_):
    # Beat has no signal for its end, but ends by SystemExit: celery.apps.beat, install_sync_handler.
    atexit.register(redis.rpush, "scraper:stopped", "beat")
    redis.rpush("scraper:ready", "beat")


if __name__ == "__main__" and sys.argv[1] == "submit":
    for _ in range(int(sys.argv[2])):
        print(work.delay().id)
