/* The servers: the shortest loops that do the work, in one process with epoll and one read for each ready socket. */
#include "loops.h"

/* A call. */
struct answered {
    int fd;
    struct parser parser;
    int64_t due_ns;                  /* play: when its next frame is due; 0 before its UUID */
    struct answered *before, *after; /* play: the ring, ordered by due_ns */
    int waiting;                     /* delay: answers that still name this call */
    int length;                      /* delay: bytes of the frame that is arriving */
    uint8_t *frame;
};

static void accept_calls(void) {
    for (int fd; (fd = accept_call()) >= 0;) {
        struct answered *call = calloc(1, sizeof *call);
        call->fd = fd;
        watch(fd, call, EPOLLIN);
    }
}

static void echo(struct answered *call, int size) {
    if (write(call->fd, buffer, size) < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) die("write");
}

/* The call that has sent something, and how much it was: -1 at its end. NULL for new calls, which are accepted. */
static struct answered *heard_in(const struct epoll_event *event, int *size) {
    struct answered *call = event->data.ptr;
    if (call) *size = read_once(call->fd);
    else accept_calls();
    return call;
}

static void serve(void (*heard)(struct answered *, int)) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(events, -1);
        for (int i = 0; i < count; i++) {
            int size;
            struct answered *call = heard_in(&events[i], &size);
            if (!call) continue;
            if (size < 0) {
                close(call->fd);
                free(call);
            } else if (size && heard) {
                heard(call, size);
            }
        }
    }
}

void serve_echo(void) { serve(echo); }

void serve_drain(void) { serve(NULL); }

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

void serve_play(void) {
    static uint8_t frame[FRAME];
    struct epoll_event events[EVENTS];
    memcpy(frame, audio_header, HEADER);
    for (int i = HEADER; i < FRAME; i += 2) frame[i] = rand() & 0x7f;
    for (;;) {
        int count = wait_until(events, ring.after == &ring ? -1 : ring.after->due_ns);
        for (int i = 0; i < count; i++) {
            int size;
            struct answered *call = heard_in(&events[i], &size);
            if (!call) continue;
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
    if (!call->frame) call->frame = malloc(HEADER + 65535);
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

void serve_delay(double delay_ms) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(events, first_answer ? first_answer->due_ns : -1);
        int64_t due_ns = now_ns() + (int64_t)(delay_ms * 1e6);
        for (int i = 0; i < count; i++) {
            int size;
            struct answered *call = heard_in(&events[i], &size);
            if (!call) continue;
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
