"""Whether recordings and events reach a store and a receiver, once and whole, whatever fails on the way.

    cli         the command: scripts/outbox-faults --help
    run         one run: calls, faults and kills, then a clean end
    judge       what came of each call: its objects, its sound, its events, its line in the log
    sounds      a recording beside what a caller said
    weather     which fault there is when, by a seed
    calls       callers with known sound, and what each of them saw
    server      `audiosocket serve`, killed and started again
    stores      real object stores: rclone and moto
    buses       what gets the events, and how it fails: webhooks, NATS JetStream
    receiver    a receiver of webhooks
    faulty      a proxy for HTTP that refuses, delays, answers with errors, cuts requests and loses answers

Each module uses those below it.
"""
