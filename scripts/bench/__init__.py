"""What calls, bots and captures cost `audiosocket`, as ratios from one run.

    run         the command: scripts/bench/run --help
    chart       the command that puts a run's table and picture into the documentation
    cli         options, the cases in turn, the table
    costs       CPU a call-second, set-up, latency: echo, record, play, exec, capture
    relays      proxies: what passing calls on costs
    bridges     a bridge to a WebSocket bot
    outbox      what it costs to pass recordings and events on
    growth      many calls against few
    memory      what a recorded call holds
    workers     two processes against one
    files       reading captures: walk, json
    starting    how long the command takes to start
    building    the loops in C, and a server of another make
    programs    programs that run to their end
    lengths     the measurement of two lengths: slope and intercept
    loads       the measurement of a steady middle
    servers     starting servers and callers
    heard       what callers saw
    kernel      CPU time and memory of processes
    machine     what it runs on
    table       figures, rows and limits
    loops/      the loops in C
    peer/       servers of other makes, and those that ours are measured with

Each module uses those below it.
"""
