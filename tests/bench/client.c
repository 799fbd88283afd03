/*
 * client.c - asks a server, as fast as it answers
 *
 * Each connection has one request under way, as a mail server has, and
 * every request is about another sender and recipient.
 *
 * Usage: client WHAT ENDPOINT CONNECTIONS REQUESTS
 *	prints "REQUESTS_PER_SECOND MEDIAN_US P99_US"
 * or:    client WHAT ENDPOINT CONNECTIONS idle
 *	asks once on each, prints "idle" and waits for the end of its input
 *
 * WHAT is "policy": Postfix's own requests with all their attributes, and
 * answers that end with an empty line; or the name of a map: netstrings
 * with an address, or for a gate with a domain.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/endpoint.h"

#define ANSWER_MAX	4096

struct connection {
	int		 fd;
	struct event	*event;
	char		 answer[ANSWER_MAX];
	size_t		 got;
	int64_t		 asked_ns;
};

struct protocol {
	/* Writes the request of that number and returns its length. */
	size_t	(*request)(char *buf, size_t size, long number);
	bool	(*is_whole)(const char *answer, size_t len);
};

static const struct protocol *protocol;
static const char *map;
static struct event_base *base;
static int64_t *took_ns;
static long wanted, asked, answered;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
give_up(const char *what)
{
	perror(what);
	exit(1);
}

static size_t
policy_request(char *buf, size_t size, long number)
{
	return (size_t)snprintf(buf, size,
	    "request=smtpd_access_policy\n"
	    "protocol_state=RCPT\n"
	    "protocol_name=ESMTP\n"
	    "client_address=192.0.2.10\n"
	    "client_name=client.example.org\n"
	    "client_port=%ld\n"
	    "reverse_client_name=client.example.org\n"
	    "server_address=192.0.2.1\n"
	    "server_port=587\n"
	    "helo_name=client.example.org\n"
	    "sender=user%ld@example.org\n"
	    "recipient=somebody%ld@example.net\n"
	    "recipient_count=0\n"
	    "queue_id=\n"
	    "instance=3a5.5f1f0a2c.%lx.0\n"
	    "size=12345\n"
	    "etrn_domain=\n"
	    "stress=\n"
	    "sasl_method=PLAIN\n"
	    "sasl_username=user%ld\n"
	    "sasl_sender=\n"
	    "ccert_subject=\n"
	    "ccert_issuer=\n"
	    "ccert_fingerprint=\n"
	    "ccert_pubkey_fingerprint=\n"
	    "encryption_protocol=TLSv1.3\n"
	    "encryption_cipher=TLS_AES_256_GCM_SHA384\n"
	    "encryption_keysize=256\n"
	    "policy_context=submission\n"
	    "\n", 1024 + number % 60000, number % 1000, number, number,
	    number % 1000);
}

static bool
policy_is_whole(const char *answer, size_t len)
{
	return len >= 2 && memcmp(answer + len - 2, "\n\n", 2) == 0;
}

static size_t
map_request(char *buf, size_t size, long number)
{
	char text[256];
	int len;

	if (strncmp(map, "gate-", 5) == 0)
		len = snprintf(text, sizeof(text), "%s domain%ld.example.net",
		    map, number);
	else
		len = snprintf(text, sizeof(text), "%s user%ld@example.org",
		    map, number);
	return (size_t)snprintf(buf, size, "%d:%s,", len, text);
}

/* A short answer comes whole or in pieces; its length says which. */
static bool
map_is_whole(const char *answer, size_t len)
{
	char *colon = memchr(answer, ':', len);

	return colon != NULL && (size_t)(colon - answer) + 2 +
	    strtoul(answer, NULL, 10) == len;
}

static const struct protocol policy = { policy_request, policy_is_whole };
static const struct protocol socketmap = { map_request, map_is_whole };

static void
ask(struct connection *c)
{
	char buf[2048];
	size_t n = protocol->request(buf, sizeof(buf), asked++);

	c->got = 0;
	c->asked_ns = now_ns();
	/* One request always fits into an empty socket buffer. */
	if (write(c->fd, buf, n) != (ssize_t)n)
		give_up("write");
}

static void
read_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct connection *c = ctx;
	ssize_t n;

	(void)events;
	n = read(fd, c->answer + c->got, sizeof(c->answer) - c->got);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0)
		give_up("the server has closed a connection");
	c->got += (size_t)n;
	if (!protocol->is_whole(c->answer, c->got)) {
		if (c->got == sizeof(c->answer))
			give_up("an answer without end");
		return;
	}
	took_ns[answered++] = now_ns() - c->asked_ns;
	if (answered == wanted)
		event_base_loopbreak(base);
	else if (asked < wanted)
		ask(c);
}

static void
dial(struct connection *c, const struct endpoint *where)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(where, &ss);
	int on = 1;

	if ((c->fd = socket(ss.ss_family, SOCK_STREAM, 0)) == -1 ||
	    connect(c->fd, (struct sockaddr *)&ss, len) == -1)
		give_up("connect");
	if (ss.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->event = event_new(base, c->fd, EV_READ | EV_PERSIST, read_cb, c);
	if (c->event == NULL || event_add(c->event, NULL) == -1)
		give_up("event_add");
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	struct connection *all;
	struct endpoint where;
	int64_t start_ns;
	long i, count = argc == 5 ? atol(argv[3]) : 0;
	bool idle = argc == 5 && strcmp(argv[4], "idle") == 0;

	wanted = idle ? count : argc == 5 ? atol(argv[4]) : 0;
	if (count < 1 || wanted < count ||
	    endpoint_parse(argv[2], &where) != NULL) {
		fprintf(stderr, "usage: client policy|MAP ENDPOINT "
		    "CONNECTIONS REQUESTS|idle\n");
		return 2;
	}
	map = argv[1];
	protocol = strcmp(map, "policy") == 0 ? &policy : &socketmap;
	base = event_base_new();
	all = calloc((size_t)count, sizeof(*all));
	took_ns = calloc((size_t)wanted, sizeof(*took_ns));
	if (base == NULL || all == NULL || took_ns == NULL)
		give_up("memory");
	for (i = 0; i < count; i++)
		dial(&all[i], &where);
	start_ns = now_ns();
	for (i = 0; i < count; i++)
		ask(&all[i]);
	event_base_dispatch(base);
	if (idle) {
		printf("idle\n");
		fflush(stdout);
		while (getchar() != EOF)
			continue;
		return 0;
	}
	start_ns = now_ns() - start_ns;
	qsort(took_ns, (size_t)wanted, sizeof(*took_ns), compare);
	printf("%.0f %.1f %.1f\n", (double)wanted * 1e9 / (double)start_ns,
	    (double)took_ns[wanted / 2] / 1e3,
	    (double)took_ns[wanted * 99 / 100] / 1e3);
	return 0;
}
