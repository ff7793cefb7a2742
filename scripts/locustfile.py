"""Callers for Locust: locust -f scripts/locustfile.py --host bot:9092. What else can be set is in `AudioSocketUser`."""

from audiosocket_cli.bench.locust import AudioSocketUser


class Caller(AudioSocketUser):
    call_duration_s = 20
