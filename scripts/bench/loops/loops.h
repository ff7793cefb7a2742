/* What the loops share: time, epoll, frames, and a server that listens.
 *
 * A frame is a kind byte, a 16-bit big-endian length and the payload: 323 bytes for 20 ms of 8 kHz audio.
 */
#ifndef LOOPS_H
#define LOOPS_H
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { HEADER = 3, AUDIO = 320, FRAME = HEADER + AUDIO, UUID_FRAME = 19, EVENTS = 256, BUFFER = 65536 };
enum { MARK = 12 }; /* bytes at a frame's begin that callers number it with */
enum { KIND_UUID = 1, KIND_AUDIO = 0x10 };
#define PTIME_NS 20000000LL

extern const uint8_t audio_header[HEADER];
extern uint8_t buffer[BUFFER]; /* what was read last */
extern int poller;

int64_t now_ns(void);
void die(const char *what);
void send_without_delay(int fd);
void watch(int fd, void *what, uint32_t how);

/* Wait for sockets, or until a deadline (-1: for ever). */
int wait_until(struct epoll_event *events, int64_t deadline_ns);

/* Where a stream of frames stands: counts whole frames in pieces of any size, and keeps how the last one begins. */
struct parser {
    uint8_t head[HEADER + MARK];
    int taken, size; /* bytes of the frame, so far and in all */
};

/* Take bytes up to the end of one frame. Returns how many; *kind is the frame's once it is whole, else -1. */
int take_frame(struct parser *p, const uint8_t *data, int size, int *kind);

/* Return how many of the next bytes belong to a header. */
int header_left(const struct parser *p);

void listen_on(const char *port);

/* Return the socket of the next caller that waits, or -1. */
int accept_call(void);

/* Read once what a socket or pipe has into the buffer; -1 when it is over. */
int read_once(int fd);

/* The servers: each runs until a signal ends it. */
void serve_echo(void);
void serve_drain(void);
void serve_play(void);
void serve_delay(double delay_ms);
void serve_exec(char **words);
void serve_relay(const char *port);

void take_turns(double period_ms, double run_ms, int count, char **pids);
int call_from(int argc, char **argv);
int walk(const char *path);

#endif
