/*
 * fast_sink.c - an SMTP server that takes everything, and writes down when
 *
 * Usage: fast_sink ADDRESS PORT RECORD
 *
 * For queues of thousands of messages, where harness/sink.py would be the
 * slowest part.  RECORD gets a line for each step of a transaction, its
 * fields apart by tabs; the time is the monotonic clock's, in seconds, and
 * n counts the transactions:
 *
 *	M n time source helo sender	MAIL of a delivery, and when that began:
 *					its connection was made, or for a
 *					further one on that, its MAIL came
 *	A n time id recipients		taken; id is the message's subject
 *	R n time id recipients		refused after its data
 *	X n time			given up by the client
 *
 * What it does is told on standard input, one command a line:
 *
 *	delay MS	that long from MAIL to the answer that takes it, for
 *			those that wait already too
 *	refuse TEXT	the answer to the data, "450 4.2.0 later"; none: take
 *
 * It ends when standard input does.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#define LINE_BYTES	2000
#define ID_BYTES	200
#define ENDS_BYTES	4000	/* recipients, as they are written */

enum stage { COMMANDS, HEADER, BODY, WAITING };

struct session {
	struct bufferevent	*bev;
	struct event		*timer;	/* while WAITING */
	struct session		*next, **prev;
	enum stage		 stage;
	bool			 begun;	/* MAIL was said */
	unsigned long		 n;
	int64_t			 begun_us;
	int64_t			 connected_us;	/* 0: it was used before */
	char			 source[64];
	char			 helo[300];
	char			 id[ID_BYTES];
	char			 recipients[ENDS_BYTES];
};

static struct event_base	*base;
static struct session		*sessions;
static unsigned long		 transactions;
static int64_t			 delay_us;
static char			 refusal[LINE_BYTES];
static FILE			*record;

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
note_begin(char what, const struct session *s, int64_t at_us)
{
	fprintf(record, "%c\t%lu\t%lld.%06d", what, s->n,
	    (long long)(at_us / 1000000), (int)(at_us % 1000000));
}

static void
note_end(char what, struct session *s)
{
	note_begin(what, s, now_us());
	if (what != 'X')
		fprintf(record, "\t%s\t%s", s->id, s->recipients);
	fputc('\n', record);
	s->begun = false;
}

static void
say(struct session *s, const char *text)
{
	evbuffer_add_printf(bufferevent_get_output(s->bev), "%s\r\n", text);
}

static void
session_free(struct session *s)
{
	if (s->begun)
		note_end('X', s);
	if (s->next != NULL)
		s->next->prev = s->prev;
	*s->prev = s->next;
	event_free(s->timer);
	bufferevent_free(s->bev);
	free(s);
}

/* "MAIL FROM:<a@b> SIZE=1" -> "a@b"; cuts line. */
static char *
mailbox(char *line)
{
	char *start = strchr(line, '<'), *end;

	if (start == NULL || (end = strchr(start, '>')) == NULL)
		return line + strlen(line);
	*end = '\0';
	return start + 1;
}

static void
add_recipient(struct session *s, const char *address)
{
	size_t used = strlen(s->recipients);

	snprintf(s->recipients + used, sizeof(s->recipients) - used, "%s%s",
	    used > 0 ? "," : "", address);
}

static void
command(struct session *s, char *line)
{
	if (strncasecmp(line, "EHLO ", 5) == 0 ||
	    strncasecmp(line, "HELO ", 5) == 0) {
		snprintf(s->helo, sizeof(s->helo), "%s", line + 5);
		say(s, "250-sink.example\r\n250 PIPELINING");
	} else if (strncasecmp(line, "MAIL", 4) == 0) {
		s->n = ++transactions;
		s->begun = true;
		s->begun_us = now_us();
		s->id[0] = s->recipients[0] = '\0';
		/* Who was let out and connects may wait long for a busy
		 * processor until he says so. */
		note_begin('M', s, s->connected_us != 0 ? s->connected_us :
		    s->begun_us);
		s->connected_us = 0;
		fprintf(record, "\t%s\t%s\t%s\n", s->source, s->helo,
		    mailbox(line));
		say(s, "250 2.1.0 ok");
	} else if (strncasecmp(line, "RCPT", 4) == 0) {
		add_recipient(s, mailbox(line));
		say(s, "250 2.1.5 ok");
	} else if (strcasecmp(line, "DATA") == 0) {
		s->stage = HEADER;
		say(s, "354 go on");
	} else if (strcasecmp(line, "RSET") == 0) {
		if (s->begun)
			note_end('X', s);
		say(s, "250 2.0.0 ok");
	} else if (strcasecmp(line, "QUIT") == 0) {
		say(s, "221 2.0.0 bye");
	} else {
		say(s, "500 5.5.1 what?");
	}
}

static void
answer(struct session *s)
{
	s->stage = COMMANDS;
	if (refusal[0] != '\0') {
		note_end('R', s);
		say(s, refusal);
	} else {
		note_end('A', s);
		say(s, "250 2.0.0 taken");
	}
}

static void
answer_when_due(struct session *s)
{
	int64_t left_us = s->begun_us + delay_us - now_us();
	struct timeval tv = { 0, 0 };

	if (left_us > 0) {
		tv.tv_sec = left_us / 1000000;
		tv.tv_usec = left_us % 1000000;
	}
	evtimer_add(s->timer, &tv);
}

static void
data_line(struct session *s, const char *line)
{
	if (strcmp(line, ".") == 0) {
		s->stage = WAITING;
		if (delay_us > 0)
			answer_when_due(s);
		else
			answer(s);
	} else if (s->stage == HEADER && line[0] == '\0') {
		s->stage = BODY;
	} else if (s->stage == HEADER &&
	    strncasecmp(line, "Subject: ", 9) == 0) {
		snprintf(s->id, sizeof(s->id), "%s", line + 9);
	}
}

static void
read_cb(struct bufferevent *bev, void *ctx)
{
	struct session *s = ctx;
	char *line;

	while (s->stage != WAITING && (line = evbuffer_readln(
	    bufferevent_get_input(bev), NULL, EVBUFFER_EOL_CRLF)) != NULL) {
		if (s->stage == COMMANDS)
			command(s, line);
		else
			data_line(s, line);
		free(line);
	}
}

static void
timer_cb(evutil_socket_t fd, short what, void *ctx)
{
	struct session *s = ctx;

	(void)fd;
	(void)what;
	answer(s);
	read_cb(s->bev, s);	/* what came in the meantime */
}

static void
event_cb(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		session_free(ctx);
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct session *s = calloc(1, sizeof(*s));
	int on = 1;

	(void)lev;
	(void)len;
	(void)ctx;
	if (s == NULL || (s->bev = bufferevent_socket_new(base, fd,
	    BEV_OPT_CLOSE_ON_FREE)) == NULL ||
	    (s->timer = evtimer_new(base, timer_cb, s)) == NULL) {
		fprintf(stderr, "fast_sink: out of memory\n");
		exit(1);
	}
	s->connected_us = now_us();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (evutil_inet_ntop(sa->sa_family, sa->sa_family == AF_INET6 ?
	    (void *)&((struct sockaddr_in6 *)sa)->sin6_addr :
	    (void *)&((struct sockaddr_in *)sa)->sin_addr, s->source,
	    sizeof(s->source)) == NULL)
		s->source[0] = '\0';
	s->next = sessions;
	s->prev = &sessions;
	if (sessions != NULL)
		sessions->prev = &s->next;
	sessions = s;
	bufferevent_setcb(s->bev, read_cb, NULL, event_cb, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	say(s, "220 sink.example ESMTP");
}

static void
told_cb(struct bufferevent *bev, void *ctx)
{
	struct session *s;
	char *line;

	(void)ctx;
	while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL,
	    EVBUFFER_EOL_LF)) != NULL) {
		if (strncmp(line, "delay ", 6) == 0) {
			delay_us = (int64_t)atol(line + 6) * 1000;
			for (s = sessions; s != NULL; s = s->next) {
				if (s->stage == WAITING)
					answer_when_due(s);
			}
		} else if (strncmp(line, "refuse", 6) == 0) {
			snprintf(refusal, sizeof(refusal), "%s", line[6] ==
			    ' ' ? line + 7 : "");
		} else {
			fprintf(stderr, "fast_sink: \"%s\"?\n", line);
		}
		free(line);
	}
}

static void
told_event_cb(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev;
	(void)ctx;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		event_base_loopbreak(base);
}

int
main(int argc, char **argv)
{
	struct sockaddr_storage ss;
	struct bufferevent *told;
	char where[200];
	int len = sizeof(ss);

	if (argc != 4) {
		fprintf(stderr, "usage: fast_sink ADDRESS PORT RECORD\n");
		return 2;
	}
	snprintf(where, sizeof(where), strchr(argv[1], ':') ? "[%s]:%s" :
	    "%s:%s", argv[1], argv[2]);
	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&ss,
	    &len) == -1) {
		fprintf(stderr, "fast_sink: %s is no address\n", where);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if ((base = event_base_new()) == NULL ||
	    (record = fopen(argv[3], "w")) == NULL ||
	    evconnlistener_new_bind(base, accept_cb, NULL,
	    LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 4096,
	    (struct sockaddr *)&ss, len) == NULL ||
	    (told = bufferevent_socket_new(base, STDIN_FILENO, 0)) == NULL) {
		perror(argv[3]);
		return 1;
	}
	setvbuf(record, NULL, _IOLBF, BUFSIZ);
	evutil_make_socket_nonblocking(STDIN_FILENO);
	bufferevent_setcb(told, told_cb, NULL, told_event_cb, NULL);
	bufferevent_enable(told, EV_READ);
	return event_base_dispatch(base) == -1;
}
