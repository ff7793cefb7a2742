/* The plain loops that `audiosocket` is measured against, and the callers that measure both.
 *
 *   loops echo PORT                    write back what was read, at once
 *   loops drain PORT                   read and throw away
 *   loops play PORT                    a frame each 20 ms to every caller, from its UUID on; what arrives is thrown away
 *   loops delay PORT MS                answer each audio frame exactly MS milliseconds after it arrived
 *   loops relay PORT TO                  write what was read to another connection, to the port TO, and back
 *   loops exec PORT PROGRAM [WORD...]  start a program for each call, and move samples through its pipes
 *   loops turns PERIOD_MS RUN_MS PID...  let processes run for a part of each period only, one after another
 *   loops walk FILE                    walk the frames of a raw capture, and sum the energy of each
 *   loops callers HOST PORT CALLS SECONDS [STARTS_A_SECOND [SETTLE_SECONDS [SPREAD [SEED]]]]
 *
 * The servers are the shortest loops that do the work: one process, epoll, one read per ready socket, nothing kept.
 * Port 0 takes a free one. Each prints "ready PORT" once it listens, and ends with a signal.
 */
#include "loops.h"

#include <signal.h>
#include <sys/resource.h>

static int usage(void) {
    fputs("usage: loops echo|drain|play PORT | delay PORT MS | relay PORT TO | exec PORT PROGRAM [WORD...] |\n"
          "       turns PERIOD_MS RUN_MS PID... | walk FILE |\n"
          "       callers HOST PORT CALLS SECONDS [STARTS_A_SECOND [SETTLE_SECONDS [even|random|clumps [SEED]]]]\n",
          stderr);
    return 2;
}

static int is(const char *word, const char *mode) { return !strcmp(word, mode); }

int main(int argc, char **argv) {
    if (argc < 3) return usage();
    const char *mode = argv[1];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (is(mode, "callers")) return call_from(argc - 2, argv + 2) ? usage() : 0;
    if (is(mode, "walk") && argc == 3) return walk(argv[2]);
    if (is(mode, "turns") && argc > 4) {
        take_turns(atof(argv[2]), atof(argv[3]), argc - 4, argv + 4);
        return 0;
    }
    int words = is(mode, "exec") || is(mode, "delay") || is(mode, "relay");
    int known = words || is(mode, "echo") || is(mode, "drain") || is(mode, "play");
    if (!known || (words ? argc < 4 : argc > 3)) return usage();
    listen_on(argv[2]);
    if (is(mode, "echo")) serve_echo();
    if (is(mode, "drain")) serve_drain();
    if (is(mode, "play")) serve_play();
    if (is(mode, "delay")) serve_delay(atof(argv[3]));
    if (is(mode, "relay")) serve_relay(argv[3]);
    serve_exec(argv + 3);
}
