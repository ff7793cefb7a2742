/* The relay: what one side sends is written to the other, at once, and its end is a half-close there.
 *
 * What a side does not take in time is thrown away.
 */
#include "loops.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

struct side {
    int fd, ended;
    struct side *other, *next_over;
};

static struct side *over; /* pairs that have ended: freed once no event of this turn can name them */

static struct side *new_side(int fd) {
    struct side *side = calloc(1, sizeof *side);
    side->fd = fd;
    return side;
}

static int connect_to(const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("cannot connect");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    send_without_delay(fd);
    return fd;
}

static void accept_pairs(const char *port) {
    for (int fd; (fd = accept_call()) >= 0;) {
        struct side *caller = new_side(fd), *server = new_side(connect_to(port));
        caller->other = server;
        server->other = caller;
        watch(caller->fd, caller, EPOLLIN);
        watch(server->fd, server, EPOLLIN);
    }
}

static void end(struct side *side) {
    if (side->ended) return;
    side->ended = 1;
    epoll_ctl(poller, EPOLL_CTL_DEL, side->fd, NULL);
    shutdown(side->other->fd, SHUT_WR);
    if (!side->other->ended) return;
    side->next_over = over;
    over = side;
}

static void free_over(void) {
    while (over) {
        struct side *side = over, *other = side->other;
        over = side->next_over;
        close(side->fd);
        close(other->fd);
        free(other);
        free(side);
    }
}

void serve_relay(const char *port) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = wait_until(events, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (!side) {
                accept_pairs(port);
                continue;
            }
            if (side->ended) continue;
            int size = read_once(side->fd);
            if (size < 0) end(side);
            else if (size && write(side->other->fd, buffer, size) < 0) errno = 0;
        }
        free_over();
    }
}
