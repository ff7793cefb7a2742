/* Time, epoll, frames, and listening. */
#include "loops.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

const uint8_t audio_header[HEADER] = {KIND_AUDIO, AUDIO >> 8, AUDIO & 0xff};
uint8_t buffer[BUFFER];
int poller;
static int listener;

int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void die(const char *what) {
    fprintf(stderr, "loops: %s: %s\n", what, strerror(errno));
    exit(1);
}

int wait_until(struct epoll_event *events, int64_t deadline_ns) {
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

void watch(int fd, void *what, uint32_t how) {
    struct epoll_event event = {.events = how, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

void send_without_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int header_left(const struct parser *p) {
    if (p->taken == p->size) return HEADER;
    return p->taken < HEADER ? HEADER - p->taken : 0;
}

int take_frame(struct parser *p, const uint8_t *data, int size, int *kind) {
    int used = 0;
    *kind = -1;
    if (p->taken == p->size) p->taken = p->size = 0;
    while (p->taken < HEADER && used < size) p->head[p->taken++] = data[used++];
    if (p->taken < HEADER) return used;
    p->size = HEADER + (p->head[1] << 8 | p->head[2]);
    int piece = size - used < p->size - p->taken ? size - used : p->size - p->taken;
    int kept = (int)sizeof p->head - p->taken;
    if (kept > 0) memcpy(p->head + p->taken, data + used, piece < kept ? piece : kept);
    p->taken += piece;
    if (p->taken == p->size) *kind = p->head[0];
    return used + piece;
}

void listen_on(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    socklen_t size = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) die("cannot listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, NULL, EPOLLIN);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int accept_call(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) send_without_delay(fd);
    return fd;
}

int read_once(int fd) {
    ssize_t size = read(fd, buffer, BUFFER);
    if (size > 0) return size;
    return size < 0 && errno == EAGAIN ? 0 : -1;
}
