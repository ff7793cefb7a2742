/* The plain loops that `audiosocket serve` is measured against, and the callers that measure both.
 *
 *   loops echo PORT                    write back what was read, at once
 *   loops drain PORT                   read and throw away
 *   loops play PORT                    a frame each 20 ms to every caller, from its UUID on; what arrives is thrown away
 *   loops delay PORT MS                answer each audio frame exactly MS milliseconds after it arrived
 *   loops turns PERIOD_MS RUN_MS PID...  let processes run for a part of each period only, one after another
 *   loops callers HOST PORT CALLS SECONDS [STARTS_A_SECOND [SETTLE_SECONDS]]
 *
 * The servers are the shortest loops that do the work: one process, epoll, one read per ready socket, nothing kept.
 * Port 0 takes a free one. Each prints "ready PORT" once it listens, and ends with a signal.
 *
 * `callers` prints "ready" when all calls are up, and a line of JSON at the end. It sends to each call on absolute
 * deadlines, the calls spread evenly over the 20 ms, and times what comes back: from SETTLE_SECONDS (1) after the last
 * call began until the last frame is sent.
 *
 * A frame is a kind byte, a 16-bit big-endian length and the payload: 323 bytes for 20 ms of 8 kHz audio.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 323, UUID_FRAME = 19, EVENTS = 256, BUFFER = 65536, KIND_UUID = 1, KIND_AUDIO = 0x10 };
#define PTIME_NS 20000000LL

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "loops: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Wait for sockets, or until a deadline (-1: for ever). */
static int wait_until(int poller, struct epoll_event *events, int64_t deadline_ns) {
    struct timespec timeout = {0, 0}, *given = NULL;
    if (deadline_ns >= 0) {
        int64_t left_ns = deadline_ns - now_ns();
        if (left_ns > 0) timeout = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
        given = &timeout;
    }
    int count = epoll_pwait2(poller, events, EVENTS, given, NULL);
    if (count < 0 && errno != EINTR) die("epoll_pwait2");
    return count < 0 ? 0 : count;
}

static void watch(int poller, int fd, void *what, uint32_t how) {
    struct epoll_event event = {.events = how, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void send_without_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Where a stream of frames stands: counts whole audio frames in pieces of any size. */
struct parser {
    uint8_t header[3];
    int header_bytes, payload_left;
};

/* Take bytes up to the end of one frame. Returns how many; *kind is the frame's once it is whole, else -1. */
static int take_frame(struct parser *p, const uint8_t *data, int size, int *kind) {
    int used = 0;
    *kind = -1;
    while (p->header_bytes < 3 && used < size) {
        p->header[p->header_bytes++] = data[used++];
        if (p->header_bytes == 3) p->payload_left = p->header[1] << 8 | p->header[2];
    }
    if (p->header_bytes < 3) return used;
    int piece = size - used < p->payload_left ? size - used : p->payload_left;
    p->payload_left -= piece;
    if (!p->payload_left) {
        *kind = p->header[0];
        p->header_bytes = 0;
    }
    return used + piece;
}

/* ---- servers ---- */

struct answered {
    int fd;
    struct parser parser;
    int64_t due_ns;                 /* play: when its next frame is due; 0 before its UUID */
    struct answered *before, *after; /* play: the ring, ordered by due_ns */
    int waiting;                    /* delay: answers that still name this call */
    int length;                     /* delay: bytes of the frame that is arriving */
    uint8_t *frame;
};

static int poller, listener;
static uint8_t buffer[BUFFER];
static const uint8_t audio_header[3] = {KIND_AUDIO, 1, 64};

static void listen_on(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    socklen_t size = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) die("cannot listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller = epoll_create1(0);
    watch(poller, listener, NULL, EPOLLIN);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void accept_calls(void) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct answered *call = calloc(1, sizeof *call);
        call->fd = fd;
        send_without_delay(fd);
        watch(poller, fd, call, EPOLLIN);
    }
}

/* Read once what a call has; -1 when it is over. */
static int read_once(struct answered *call) {
    ssize_t size = read(call->fd, buffer, BUFFER);
    if (size > 0) return size;
    return size < 0 && errno == EAGAIN ? 0 : -1;
}

static void echo(struct answered *call, int size) {
    if (write(call->fd, buffer, size) < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) die("write");
}

static void serve(void (*heard)(struct answered *, int)) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(poller, events, -1);
        for (int i = 0; i < count; i++) {
            struct answered *call = events[i].data.ptr;
            if (!call) {
                accept_calls();
                continue;
            }
            int size = read_once(call);
            if (size < 0) {
                close(call->fd);
                free(call);
            } else if (size && heard) {
                heard(call, size);
            }
        }
    }
}

/* All periods are equal, so calls come due in the order in which they were last served: a ring is enough. */
static struct answered ring = {.before = &ring, .after = &ring};

static void leave_ring(struct answered *call) {
    if (!call->before) return;
    call->before->after = call->after;
    call->after->before = call->before;
    call->before = call->after = NULL;
}

static void join_ring(struct answered *call) {
    call->before = ring.before;
    call->after = &ring;
    ring.before->after = call;
    ring.before = call;
}

static void play(void) {
    static uint8_t frame[FRAME];
    struct epoll_event events[EVENTS];
    memcpy(frame, audio_header, 3);
    for (int i = 3; i < FRAME; i += 2) frame[i] = rand() & 0x7f;
    for (;;) {
        int count = wait_until(poller, events, ring.after == &ring ? -1 : ring.after->due_ns);
        for (int i = 0; i < count; i++) {
            struct answered *call = events[i].data.ptr;
            if (!call) {
                accept_calls();
                continue;
            }
            int size = read_once(call);
            if (size < 0) {
                leave_ring(call);
                close(call->fd);
                free(call);
            } else if (size && !call->due_ns) { /* its UUID */
                call->due_ns = now_ns() + PTIME_NS;
                if (write(call->fd, frame, FRAME) >= 0) join_ring(call);
            }
        }
        int64_t now = now_ns();
        while (ring.after != &ring && ring.after->due_ns <= now) {
            struct answered *call = ring.after;
            leave_ring(call);
            if (write(call->fd, frame, FRAME) < 0 && errno != EAGAIN) continue; /* its end will be read */
            call->due_ns += PTIME_NS;
            join_ring(call);
        }
    }
}

/* A frame on its way back. They all wait equally long: first come, first served. */
struct answer {
    struct answer *next;
    struct answered *call;
    int64_t due_ns;
    int size;
    uint8_t bytes[];
};

static struct answer *first_answer, **last_answer = &first_answer;

static void answer_later(struct answered *call, int64_t due_ns) {
    struct answer *answer = malloc(sizeof *answer + call->length);
    *answer = (struct answer){.call = call, .due_ns = due_ns, .size = call->length};
    memcpy(answer->bytes, call->frame, call->length);
    *last_answer = answer;
    last_answer = &answer->next;
    call->waiting++;
}

static void hear_for_delay(struct answered *call, int size, int64_t due_ns) {
    if (!call->frame) call->frame = malloc(3 + 65535);
    for (int at = 0, kind; at < size;) {
        int taken = take_frame(&call->parser, buffer + at, size - at, &kind);
        memcpy(call->frame + call->length, buffer + at, taken);
        call->length += taken;
        at += taken;
        if (kind >= KIND_AUDIO && kind < KIND_AUDIO + 9) answer_later(call, due_ns);
        if (kind >= 0) call->length = 0;
    }
}

/* A call that has ended is kept until no answer names it. */
static void let_go(struct answered *call) {
    if (call->fd >= 0 || call->waiting) return;
    free(call->frame);
    free(call);
}

static void delay(double delay_ms) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(poller, events, first_answer ? first_answer->due_ns : -1);
        int64_t due_ns = now_ns() + (int64_t)(delay_ms * 1e6);
        for (int i = 0; i < count; i++) {
            struct answered *call = events[i].data.ptr;
            if (!call) {
                accept_calls();
                continue;
            }
            int size = read_once(call);
            if (size < 0) {
                close(call->fd);
                call->fd = -1;
                let_go(call);
            } else if (size) {
                hear_for_delay(call, size, due_ns);
            }
        }
        while (first_answer && first_answer->due_ns <= now_ns()) {
            struct answer *answer = first_answer;
            if (answer->call->fd >= 0 && write(answer->call->fd, answer->bytes, answer->size) < 0) errno = 0;
            answer->call->waiting--;
            let_go(answer->call);
            first_answer = answer->next;
            if (!first_answer) last_answer = &first_answer;
            free(answer);
        }
    }
}

/* ---- turns ---- */

static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static void sleep_until(int64_t at_ns) {
    struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Make slow cores out of a part of one: each process runs in its own window of the period, and never beside another. */
static void take_turns(double period_ms, double run_ms, int count, char **pids) {
    int64_t period_ns = period_ms * 1e6, run_ns = run_ms * 1e6;
    signal(SIGTERM, stop);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (int i = 0; i < count; i++) kill(atoi(pids[i]), SIGSTOP);
    puts("ready");
    fflush(stdout);
    for (int64_t start_ns = now_ns(); !stopped; start_ns += period_ns)
        for (int i = 0; i < count; i++) {
            int64_t window_ns = start_ns + i * period_ns / count;
            sleep_until(window_ns);
            kill(atoi(pids[i]), SIGCONT);
            sleep_until(window_ns + run_ns);
            kill(atoi(pids[i]), SIGSTOP);
        }
    for (int i = 0; i < count; i++) kill(atoi(pids[i]), SIGCONT);
}

/* ---- callers ---- */

/* Times in steps of 10 us up to a second, which is enough to tell medians and the worst of a hundred apart. */
enum { STEP_NS = 10000, STEPS = 100000 };

struct histogram {
    uint32_t counts[STEPS];
    int64_t total, most_ns;
};

static struct histogram lateness, gap_error;

static void note(struct histogram *h, int64_t ns) {
    int64_t step = ns / STEP_NS;
    h->counts[step < STEPS ? step : STEPS - 1]++;
    h->total++;
    if (ns > h->most_ns) h->most_ns = ns;
}

static double quantile_ms(const struct histogram *h, double share) {
    int64_t left = ceil(h->total * share);
    for (int step = 0; step < STEPS; step++)
        if ((left -= h->counts[step]) <= 0) return (step + 0.5) * STEP_NS / 1e6;
    return h->most_ns / 1e6;
}

static void print_quantiles(const char *name, const struct histogram *h) {
    printf("\"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ", name, quantile_ms(h, 0.5), quantile_ms(h, 0.99),
           h->most_ns / 1e6);
}

struct placed {
    int fd;
    struct parser parser;
    int64_t first_ns, last_ns;    /* arrivals while it is measured */
    double n, sum_t, sum_kt;      /* of these: how many, and sums for the line through arrival times t(k) in ms */
    const uint8_t *owed;          /* the rest of a frame that a send left over */
    int owed_bytes;
};

static struct {
    long frames_sent, bytes_sent, frames_received, bytes_received, short_sends, skipped_frames;
    int resets, closed_early, hangups;
} totals;

static int measuring, closing, open_calls;
static long measured_frames;

static void lose(struct placed *call, int was_reset) {
    close(call->fd);
    call->fd = -1;
    open_calls--;
    if (closing) return;
    if (was_reset) totals.resets++;
    else totals.closed_early++;
}

static void place(struct placed *call, const struct sockaddr_in *to) {
    uint8_t opening[UUID_FRAME] = {KIND_UUID, 0, 16};
    call->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (call->fd < 0 || connect(call->fd, (const struct sockaddr *)to, sizeof *to)) die("cannot call");
    fcntl(call->fd, F_SETFL, O_NONBLOCK);
    send_without_delay(call->fd);
    if (getrandom(opening + 3, 16, 0) != 16) die("getrandom");
    opening[9] = (opening[9] & 0x0f) | 0x40; /* a UUID of version 4 */
    opening[11] = (opening[11] & 0x3f) | 0x80;
    if (send(call->fd, opening, UUID_FRAME, MSG_NOSIGNAL) != UUID_FRAME) die("cannot send a UUID");
    totals.bytes_sent += UUID_FRAME;
    open_calls++;
    watch(poller, call->fd, call, EPOLLIN | EPOLLET);
}

static int send_some(struct placed *call, const uint8_t *data, int size) {
    ssize_t sent = send(call->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        lose(call, 1);
        return -1;
    }
    if (sent > 0) totals.bytes_sent += sent;
    return sent < 0 ? 0 : sent;
}

/* Send a frame; the rest of one that did not fit comes first, and a frame that finds no room at all is skipped. */
static void say(struct placed *call, const uint8_t *frame) {
    if (call->owed_bytes) {
        int sent = send_some(call, call->owed, call->owed_bytes);
        if (sent < 0) return;
        call->owed += sent;
        call->owed_bytes -= sent;
    }
    int sent = call->owed_bytes ? 0 : send_some(call, frame, FRAME);
    if (sent < 0) return;
    if (!sent) {
        totals.skipped_frames++;
        return;
    }
    totals.frames_sent++;
    if (sent < FRAME) {
        totals.short_sends++;
        call->owed = frame + sent;
        call->owed_bytes = FRAME - sent;
    }
}

static void note_arrival(struct placed *call, int64_t now) {
    totals.frames_received++;
    if (!measuring) return;
    measured_frames++;
    if (call->n) note(&gap_error, llabs(now - call->last_ns - PTIME_NS));
    else call->first_ns = now;
    call->last_ns = now;
    double t = (now - call->first_ns) / 1e6;
    call->sum_t += t;
    call->sum_kt += call->n * t;
    call->n++;
}

static void hear(struct placed *call) {
    int64_t now = now_ns();
    for (;;) {
        ssize_t size = recv(call->fd, buffer, BUFFER, 0);
        if (size <= 0) {
            if (!size || errno != EAGAIN) lose(call, size < 0);
            return;
        }
        totals.bytes_received += size;
        for (int at = 0, kind; at < size;) {
            at += take_frame(&call->parser, buffer + at, size - at, &kind);
            if (kind == KIND_AUDIO) note_arrival(call, now);
            if (kind == 0) totals.hangups++;
        }
        if (size < BUFFER) return; /* edge-triggered: a full buffer alone may have left something behind */
    }
}

/* How much faster or slower than 20 ms a frame this call's audio came, by the line through all its arrivals. */
static double drift_percent(const struct placed *call) {
    double n = call->n, sum_k = n * (n - 1) / 2, sum_kk = (n - 1) * n * (2 * n - 1) / 6;
    double ms_a_frame = (n * call->sum_kt - sum_k * call->sum_t) / (n * sum_kk - sum_k * sum_k);
    return (20 / ms_a_frame - 1) * 100;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_drift(const struct placed *calls, int count) {
    double *drifts = malloc(count * sizeof *drifts), sum = 0;
    int known = 0;
    for (int i = 0; i < count; i++)
        if (calls[i].n >= 3) {
            drifts[known] = drift_percent(&calls[i]);
            sum += drifts[known];
            drifts[known] = fabs(drifts[known]);
            known++;
        }
    qsort(drifts, known, sizeof *drifts, by_size);
    if (known)
        printf("\"drift_percent\": {\"mean\": %.5f, \"p50\": %.5f, \"p99\": %.5f, \"max\": %.5f}, ", sum / known,
               drifts[known / 2], drifts[(known * 99 - 1) / 100], drifts[known - 1]);
    else printf("\"drift_percent\": null, ");
    free(drifts);
}

static void print_result(const struct placed *calls, int count, double seconds) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"calls\": %d, \"seconds\": %g, \"frames_sent\": %ld, \"bytes_sent\": %ld, ", count, seconds,
           totals.frames_sent, totals.bytes_sent);
    printf("\"frames_received\": %ld, \"bytes_received\": %ld, ", totals.frames_received, totals.bytes_received);
    printf("\"measured\": {\"frames_due\": %ld, \"frames_received\": %ld}, ", (long)lateness.total, measured_frames);
    print_quantiles("own_lateness_ms", &lateness);
    print_quantiles("gap_error_ms", &gap_error);
    print_drift(calls, count);
    printf("\"short_sends\": %ld, \"skipped_frames\": %ld, \"resets\": %d, \"closed_early\": %d, \"hangups\": %d, ",
           totals.short_sends, totals.skipped_frames, totals.resets, totals.closed_early, totals.hangups);
    printf("\"own_cpu_s\": %.2f}\n", usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec +
                                         usage.ru_stime.tv_usec / 1e6);
    fflush(stdout);
}

static void hear_until(int64_t end_ns) {
    struct epoll_event events[EVENTS];
    while (open_calls && now_ns() < end_ns)
        for (int i = 0, ready = wait_until(poller, events, end_ns); i < ready; i++) hear(events[i].data.ptr);
}

/* Turn number t is that of call t % count, t / count rounds of 20 ms after the start: deadlines need no queue. */
static void call_all(const struct sockaddr_in *to, int count, double seconds, double starts_a_second, double settle_s) {
    static uint8_t frames[64][FRAME];
    struct epoll_event events[EVENTS];
    struct placed *calls = calloc(count, sizeof *calls);
    for (int i = 0; i < 64; i++) {
        memcpy(frames[i], audio_header, 3);
        for (int at = 3; at < FRAME; at += 2) {
            int16_t sample = rand() % 401 - 200;
            memcpy(frames[i] + at, &sample, 2);
        }
    }
    int starts_a_round = fmax(1, starts_a_second / 50), ramp_rounds = (count + starts_a_round - 1) / starts_a_round;
    long measured_turn = (long)((ramp_rounds + settle_s * 50) * count);
    long ready_turn = (long)ramp_rounds * count, end_turn = ready_turn + (long)(seconds * 50) * count;
    poller = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1);
    int64_t start_ns = now_ns();
    for (long turn = 0; turn < end_turn;) {
        int64_t due_ns = start_ns + turn / count * PTIME_NS + turn % count * PTIME_NS / count, now = now_ns();
        if (now >= due_ns) {
            struct placed *call = &calls[turn % count];
            int begins = turn % count % ramp_rounds; /* so that those who begin in one round are spread over it, too */
            long frame = turn / count - begins;
            if (turn == ready_turn) {
                puts("ready");
                fflush(stdout);
            }
            measuring = turn >= measured_turn;
            if (frame == 0) place(call, to);
            if (frame >= 0 && call->fd >= 0) {
                if (measuring) note(&lateness, now - due_ns);
                say(call, frames[turn * 7 % 64]);
            }
            turn++;
            if (turn % 16) continue; /* when late, still hear what comes back in time */
            due_ns = 0;
        }
        for (int i = 0, ready = wait_until(poller, events, due_ns); i < ready; i++) hear(events[i].data.ptr);
    }
    measuring = 0;
    hear_until(now_ns() + 300000000); /* the last answers may be on their way */
    print_result(calls, count, seconds);
    closing = 1; /* and read to the end, or the kernel would reset what is closed with something unread */
    for (int i = 0; i < count; i++)
        if (calls[i].fd >= 0) shutdown(calls[i].fd, SHUT_WR);
    hear_until(now_ns() + 2000000000);
}

static int usage(void) {
    fputs("usage: loops echo|drain|play PORT | delay PORT MS | turns PERIOD_MS RUN_MS PID... |\n"
          "       callers HOST PORT CALLS SECONDS [STARTS_A_SECOND [SETTLE_SECONDS]]\n", stderr);
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 3) return usage();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(argv[1], "callers")) {
        struct sockaddr_in to = {.sin_family = AF_INET};
        if (argc < 6 || argc > 8 || !inet_aton(argv[2], &to.sin_addr) || atoi(argv[4]) < 1) return usage();
        to.sin_port = htons(atoi(argv[3]));
        call_all(&to, atoi(argv[4]), atof(argv[5]), argc > 6 ? atof(argv[6]) : 500, argc > 7 ? atof(argv[7]) : 1);
        return 0;
    }
    if (!strcmp(argv[1], "turns")) {
        if (argc < 5) return usage();
        take_turns(atof(argv[2]), atof(argv[3]), argc - 4, argv + 4);
        return 0;
    }
    int delays = !strcmp(argv[1], "delay");
    int plays = !strcmp(argv[1], "play"), echoes = !strcmp(argv[1], "echo"), drains = !strcmp(argv[1], "drain");
    if (!(delays || plays || echoes || drains) || argc != (delays ? 4 : 3)) return usage();
    listen_on(argv[2]);
    if (delays) delay(atof(argv[3]));
    if (plays) play();
    serve(echoes ? echo : NULL);
}
