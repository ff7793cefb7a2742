/* A program for each call: audio goes to its standard input, and each 320 bytes of its output come back as a frame.
 *
 * Nothing is paced or converted. What a program does not read in time is thrown away.
 */
#include "loops.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

struct program {
    int fd, in, out; /* the call, and the program's input and output; -1 once closed */
    pid_t pid;
    struct parser parser;
    uint8_t said[AUDIO];
    int said_bytes;
};

/* What epoll names: either half of a program. */
struct half {
    struct program *program;
    int is_call;
};

static void close_pair(int *one, int *other) {
    if (*one >= 0) close(*one);
    if (other && *other >= 0) close(*other);
    *one = -1;
    if (other) *other = -1;
}

static void start(struct program *p, char **words) {
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t as_usual;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) die("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawnattr_init(&attributes);
    sigemptyset(&as_usual);
    sigaddset(&as_usual, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &as_usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    errno = posix_spawnp(&p->pid, words[0], &actions, &attributes, words, environ);
    if (errno) die(words[0]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(in[0]);
    close(out[1]);
    p->in = in[1];
    p->out = out[0];
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    fcntl(p->out, F_SETFL, O_NONBLOCK);
}

static void accept_calls(char **words) {
    for (int fd; (fd = accept_call()) >= 0;) {
        struct program *p = calloc(1, sizeof *p);
        struct half *halves = calloc(2, sizeof *halves);
        halves[0] = (struct half){p, 1};
        halves[1] = (struct half){p, 0};
        p->fd = fd;
        start(p, words);
        watch(p->fd, &halves[0], EPOLLIN);
        watch(p->out, &halves[1], EPOLLIN);
    }
}

/* Pass on the audio of what was read. */
static void hear(struct program *p, int size) {
    static uint8_t audio[BUFFER];
    int length = 0;
    for (int at = 0, kind; at < size;) {
        int header = header_left(&p->parser), taken = take_frame(&p->parser, buffer + at, size - at, &kind);
        if (taken > header && p->parser.head[0] == KIND_AUDIO) {
            memcpy(audio + length, buffer + at + header, taken - header);
            length += taken - header;
        }
        at += taken;
    }
    if (length && p->in >= 0 && write(p->in, audio, length) < 0 && errno != EAGAIN && errno != EPIPE) die("write");
}

/* Send what was read as frames; what does not fill one waits for the rest. */
static void say(struct program *p, int size) {
    static uint8_t frames[BUFFER / AUDIO * FRAME + FRAME];
    int length = 0;
    for (int at = 0; at < size;) {
        int piece = size - at < AUDIO - p->said_bytes ? size - at : AUDIO - p->said_bytes;
        memcpy(p->said + p->said_bytes, buffer + at, piece);
        p->said_bytes += piece;
        at += piece;
        if (p->said_bytes < AUDIO) break;
        memcpy(frames + length, audio_header, HEADER);
        memcpy(frames + length + HEADER, p->said, AUDIO);
        length += FRAME;
        p->said_bytes = 0;
    }
    if (length && p->fd >= 0 && write(p->fd, frames, length) < 0 && errno != EAGAIN && errno != EPIPE &&
        errno != ECONNRESET) die("write");
}

/* One half has ended: the other is told, and the last one to end lets go of both. */
static void end(struct half *half) {
    struct program *p = half->program;
    if (half->is_call) {
        close_pair(&p->fd, &p->in); /* the program ends at the end of its input */
    } else {
        close_pair(&p->out, NULL);
        waitpid(p->pid, NULL, 0);
        if (p->fd >= 0) shutdown(p->fd, SHUT_RDWR);
    }
    if (p->fd >= 0 || p->out >= 0) return;
    free(half->is_call ? half : half - 1);
    free(p);
}

void serve_exec(char **words) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(events, -1);
        for (int i = 0; i < count; i++) {
            struct half *half = events[i].data.ptr;
            if (!half) {
                accept_calls(words);
                continue;
            }
            int size = read_once(half->is_call ? half->program->fd : half->program->out);
            if (size < 0) end(half);
            else if (size && half->is_call) hear(half->program, size);
            else if (size) say(half->program, size);
        }
    }
}
