/*
 * echo.c - sends back what it gets
 *
 * The price of a libevent loop with buffered connections; our services are
 * measured against it.  Usage: echo unix:PATH | inet:A:P
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "base/endpoint.h"

static void
read_cb(struct bufferevent *bev, void *ctx)
{
	(void)ctx;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void
event_cb(struct bufferevent *bev, short what, void *ctx)
{
	(void)ctx;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(bev);
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct event_base *base = evconnlistener_get_base(lev);
	struct bufferevent *bev;
	int on = 1;

	(void)len;
	(void)ctx;
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(bev, read_cb, NULL, event_cb, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct sockaddr_storage ss;
	struct endpoint where;
	socklen_t len;

	if (argc != 2 || endpoint_parse(argv[1], &where) != NULL ||
	    where.kind == ENDPOINT_NONE) {
		fprintf(stderr, "usage: echo unix:PATH | "
		    "inet:ADDRESS:PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	len = endpoint_sockaddr(&where, &ss);
	if (base == NULL || evconnlistener_new_bind(base, accept_cb, NULL,
	    LEV_OPT_REUSEABLE, 1024, (struct sockaddr *)&ss,
	    (int)len) == NULL) {
		perror(argv[1]);
		return 1;
	}
	return event_base_dispatch(base) == -1;
}
