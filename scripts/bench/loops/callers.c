/* Callers on absolute deadlines, and what comes back to them.
 *
 * They print "ready" when all calls are up, and a line of JSON at the end. Calls begin one after another, and end in the
 * same order: all are equally long. When callers speak within the 20 ms is their SPREAD:
 *
 *   even      one after another, at equal distances, as it suits a server that works in batches
 *   random    each at an instant of its own
 *   clumps    at 37 instants: all callers of a clump at once, as those of one bridge with one clock
 *
 * What comes back is timed from SETTLE_SECONDS (1) after the last call began until the first one ends. Each frame
 * carries its number, so that an echo is known by what it says: `latency_ms` is the time from the instant at which a
 * frame was due until it came back, however many frames of silence or lost ones there are in between.
 */
#include "loops.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Times in steps of 10 us up to a second, which is enough to tell medians and the worst of a hundred apart. */
enum { STEP_NS = 10000, STEPS = 100000 };

struct histogram {
    uint32_t counts[STEPS];
    int64_t total, most_ns;
};

static struct histogram lateness, gap_error, latency;

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
    int fd, ends;                 /* ends: it has sent all, and closed its side */
    long begins;                  /* the round of its first frame */
    struct parser parser;
    int64_t offset_ns;            /* when in a round it speaks */
    int64_t first_ns, last_ns;    /* arrivals while it is measured */
    double n, sum_t, sum_kt;      /* of these: how many, and sums for the line through arrival times t(k) in ms */
    uint8_t owed[FRAME];          /* the rest of a frame that a send left over */
    int owed_bytes;
};

static struct {
    long frames_sent, bytes_sent, frames_received, bytes_received, short_sends, skipped_frames;
    int resets, closed_early, hangups;
} totals;

static int measuring, open_calls;
static long measured_frames, rounds_a_call, first_measured_round, last_measured_round;
static int64_t start_ns;

static void lose(struct placed *call, int was_reset) {
    close(call->fd);
    call->fd = -1;
    open_calls--;
    if (call->ends) return;
    if (was_reset) totals.resets++;
    else totals.closed_early++;
}

static void place(struct placed *call, const struct sockaddr_in *to) {
    uint8_t opening[UUID_FRAME] = {KIND_UUID, 0, 16};
    call->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (call->fd < 0 || connect(call->fd, (const struct sockaddr *)to, sizeof *to)) die("cannot call");
    fcntl(call->fd, F_SETFL, O_NONBLOCK);
    send_without_delay(call->fd);
    if (getrandom(opening + HEADER, 16, 0) != 16) die("getrandom");
    opening[9] = (opening[9] & 0x0f) | 0x40; /* a UUID of version 4 */
    opening[11] = (opening[11] & 0x3f) | 0x80;
    if (send(call->fd, opening, UUID_FRAME, MSG_NOSIGNAL) != UUID_FRAME) die("cannot send a UUID");
    totals.bytes_sent += UUID_FRAME;
    open_calls++;
    watch(call->fd, call, EPOLLIN | EPOLLET);
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
        call->owed_bytes -= sent;
        memmove(call->owed, call->owed + sent, call->owed_bytes);
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
        call->owed_bytes = FRAME - sent;
        memcpy(call->owed, frame + sent, call->owed_bytes);
    }
}

/* A number stands in the first six samples: its three digits to this base, each with its negative after it. No silence
 * and no audio of another's has that, the samples are as soft as the rest, and u-law keeps them: they are the softest
 * that it knows, 8 apart and then 16 (ITU-T G.711). */
enum { BASE = 20, NUMBERS = BASE * BASE * BASE, FINE = 15 };

static int16_t level(int digit) {
    return digit < FINE ? 8 * (digit + 1) : 132 + 16 * (digit - FINE);
}

/* Return the digit that a pair of samples carries, or -1. */
static int digit_of(const int16_t *pair) {
    int digit = pair[0] <= 8 * FINE ? pair[0] / 8 - 1 : FINE + (pair[0] - 132) / 16;
    return digit >= 0 && digit < BASE && pair[0] == level(digit) && pair[1] == -pair[0] ? digit : -1;
}

static void mark(uint8_t *frame, long number) {
    int16_t samples[MARK / 2];
    for (int at = 0; at < MARK / 2; at += 2, number /= BASE) {
        samples[at] = level(number % BASE);
        samples[at + 1] = -samples[at];
    }
    memcpy(frame + HEADER, samples, sizeof samples);
}

/* Return the number that a frame carries, or -1. */
static long number_of(const struct parser *p) {
    int16_t samples[MARK / 2];
    if (p->size < (int)sizeof p->head) return -1;
    memcpy(samples, p->head + HEADER, sizeof samples);
    long number = 0;
    for (int at = MARK / 2 - 2; at >= 0; at -= 2) {
        int digit = digit_of(samples + at);
        if (digit < 0) return -1;
        number = number * BASE + digit;
    }
    return number;
}

/* All that a call had to say has been said: its end is sent, and the server's is awaited. */
static void end(struct placed *call) {
    if (call->fd < 0 || call->ends) return;
    call->ends = 1;
    shutdown(call->fd, SHUT_WR);
}

/* A frame came back that was sent in this round of its call, or as many numbers later. */
static void note_echo(struct placed *call, long number, int64_t now) {
    long last = (now - start_ns - call->offset_ns) / PTIME_NS - call->begins;
    long round = call->begins + number + (last - number) / NUMBERS * NUMBERS;
    if (round >= first_measured_round && round < last_measured_round)
        note(&latency, now - (start_ns + round * PTIME_NS + call->offset_ns));
    if (number == (rounds_a_call - 1) % NUMBERS && round == call->begins + rounds_a_call - 1) end(call);
}

static void note_arrival(struct placed *call, int64_t now) {
    long number = number_of(&call->parser);
    totals.frames_received++;
    if (number >= 0) note_echo(call, number, now);
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
    return ms_a_frame > 0 ? (20 / ms_a_frame - 1) * 100 : NAN; /* all at once */
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_drift(const struct placed *calls, int count) {
    double *drifts = malloc(count * sizeof *drifts), sum = 0;
    int known = 0;
    for (int i = 0; i < count; i++)
        if (calls[i].n >= 3 && !isnan(drifts[known] = drift_percent(&calls[i]))) {
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

/* At how many instants of the 20 ms callers speak, and the longest time from one to the next. */
static void print_instants(const struct placed *calls, int count) {
    int64_t widest_ns = PTIME_NS - calls[count - 1].offset_ns + calls[0].offset_ns;
    int instants = 1;
    for (int i = 1; i < count; i++) {
        int64_t ns = calls[i].offset_ns - calls[i - 1].offset_ns;
        if (ns) instants++;
        if (ns > widest_ns) widest_ns = ns;
    }
    printf("\"instants\": {\"count\": %d, \"widest_gap_ms\": %.3f}, ", instants, widest_ns / 1e6);
}

static void print_result(const struct placed *calls, int count, double seconds) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"calls\": %d, \"seconds\": %g, \"frames_sent\": %ld, \"bytes_sent\": %ld, ", count, seconds,
           totals.frames_sent, totals.bytes_sent);
    printf("\"frames_received\": %ld, \"bytes_received\": %ld, ", totals.frames_received, totals.bytes_received);
    printf("\"measured\": {\"frames_due\": %ld, \"frames_received\": %ld, \"frames_echoed\": %ld}, ",
           (long)lateness.total, measured_frames, (long)latency.total);
    print_instants(calls, count);
    print_quantiles("own_lateness_ms", &lateness);
    print_quantiles("gap_error_ms", &gap_error);
    if (latency.total) print_quantiles("latency_ms", &latency);
    else printf("\"latency_ms\": null, ");
    print_drift(calls, count);
    printf("\"short_sends\": %ld, \"skipped_frames\": %ld, \"resets\": %d, \"closed_early\": %d, \"hangups\": %d, ",
           totals.short_sends, totals.skipped_frames, totals.resets, totals.closed_early, totals.hangups);
    printf("\"own_cpu_s\": %.2f}\n", usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec +
                                         usage.ru_stime.tv_usec / 1e6);
    fflush(stdout);
}

enum { CLUMPS = 37, END_ROUNDS = 5 };

static int by_time(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Choose when in a round each call speaks, in order. Returns -1 for a spread that is not known. */
static int spread_calls(struct placed *calls, int count, const char *spread, long seed) {
    int64_t *offsets = malloc(count * sizeof *offsets);
    int instants = strcmp(spread, "clumps") || count < CLUMPS ? count : CLUMPS, even = !strcmp(spread, "even");
    if (!even && strcmp(spread, "random") && strcmp(spread, "clumps")) return -1;
    srand48(seed);
    for (int i = 0; i < instants; i++) offsets[i] = even ? i * PTIME_NS / count : (int64_t)(drand48() * PTIME_NS);
    for (int i = instants; i < count; i++) offsets[i] = offsets[i % instants];
    qsort(offsets, count, sizeof *offsets, by_time);
    for (int i = 0; i < count; i++) calls[i].offset_ns = offsets[i];
    free(offsets);
    return 0;
}

static void make_audio(uint8_t frames[][FRAME], int count) {
    for (int i = 0; i < count; i++) {
        memcpy(frames[i], audio_header, HEADER);
        for (int at = HEADER; at < FRAME; at += 2) {
            int16_t sample = rand() % 401 - 200;
            memcpy(frames[i] + at, &sample, 2);
        }
    }
}

/* A call's turn in a round: it begins, speaks, or ends. */
static void take_turn(struct placed *call, long round, const struct sockaddr_in *to, int64_t late_ns) {
    static uint8_t frames[64][FRAME];
    long number = round - call->begins;
    if (!frames[0][0]) make_audio(frames, 64);
    if (number == 0) place(call, to);
    if (number == rounds_a_call + END_ROUNDS) end(call); /* for those who do not hear their last frame */
    if (number < 0 || number >= rounds_a_call || call->fd < 0) return;
    if (measuring) note(&lateness, late_ns);
    uint8_t *frame = frames[(round * 31 + (call->offset_ns >> 10)) & 63];
    mark(frame, number);
    say(call, frame);
}

/* Each round every call has its turn, in the order of their instants: deadlines need no queue. */
static void take_turns_until(struct placed *calls, int count, const struct sockaddr_in *to, long ready_round,
                             long end_round) {
    struct epoll_event events[EVENTS];
    for (long turn = 0; turn < end_round * count;) {
        struct placed *call = &calls[turn % count];
        long round = turn / count;
        int64_t due_ns = start_ns + round * PTIME_NS + call->offset_ns, now = now_ns();
        if (now >= due_ns) {
            if (turn == ready_round * count) {
                puts("ready");
                fflush(stdout);
            }
            measuring = round >= first_measured_round && round < last_measured_round;
            take_turn(call, round, to, now - due_ns);
            turn++;
            if (turn % 16) continue; /* when late, still hear what comes back in time */
            due_ns = 0;
        }
        for (int i = 0, ready = wait_until(events, due_ns); i < ready; i++) hear(events[i].data.ptr);
    }
}

static void hear_until(int64_t end_ns) {
    struct epoll_event events[EVENTS];
    while (open_calls && now_ns() < end_ns)
        for (int i = 0, ready = wait_until(events, end_ns); i < ready; i++) hear(events[i].data.ptr);
}

int call_from(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (argc < 4 || argc > 8 || !inet_aton(argv[0], &to.sin_addr) || atoi(argv[2]) < 1) return -1;
    int count = atoi(argv[2]);
    double seconds = atof(argv[3]), starts_a_second = argc > 4 ? atof(argv[4]) : 500, settle_s = argc > 5 ? atof(argv[5]) : 1;
    struct placed *calls = calloc(count, sizeof *calls);
    to.sin_port = htons(atoi(argv[1]));
    if (spread_calls(calls, count, argc > 6 ? argv[6] : "even", argc > 7 ? atol(argv[7]) : 1)) return -1;
    int starts_a_round = fmax(1, starts_a_second / 50), ramp_rounds = (count + starts_a_round - 1) / starts_a_round;
    for (int i = 0; i < count; i++) calls[i].begins = i % ramp_rounds; /* who begin in one round are spread over it */
    rounds_a_call = last_measured_round = ramp_rounds + (long)(seconds * 50);
    first_measured_round = ramp_rounds + (long)(settle_s * 50);
    poller = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1);
    start_ns = now_ns();
    take_turns_until(calls, count, &to, ramp_rounds, rounds_a_call + ramp_rounds + END_ROUNDS);
    hear_until(now_ns() + 2000000000);
    print_result(calls, count, seconds);
    return 0;
}
