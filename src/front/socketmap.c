/*
 * socketmap.c - look-up tables for Postfix and Sendmail
 */
#include "front/socketmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "front/front.h"
#include "front/netstring.h"
#include "front/server.h"

#define CLIENTS_MAX	4096

/* Postfix closes after ten seconds.  Sendmail does not at all, and takes a
 * connection that was closed for a failure of the map. */
#define IDLE_MS		(3600 * 1000)

struct socketmap {
	socketmap_answer_fn	 answer;
	void			*ctx;
	struct server		*server;
};

static enum server_result
take(void *ctx, void *parser, struct server_turn *t)
{
	struct socketmap *s = ctx;
	struct netstring_request req;
	enum server_result result = SERVER_READY;
	char *text = t->answer + NETSTRING_HEAD;
	size_t len = 0;

	switch (netstring_read(parser, t->buf, t->len, &req, &t->used,
	    &t->why)) {
	case NETSTRING_MORE:
		return SERVER_MORE;
	case NETSTRING_READY:
		len = s->answer(s->ctx, req.name, req.key, req.key_len, text,
		    NETSTRING_MAX + 1);
		if (len == 0 || len > NETSTRING_MAX)
			len = (size_t)snprintf(text, NETSTRING_MAX + 1,
			    "TEMP mailbrake has no answer that fits");
		break;
	case NETSTRING_MALFORMED:
		len = (size_t)snprintf(text, NETSTRING_MAX + 1,
		    "TEMP malformed request: %s", t->why);
		result = SERVER_MALFORMED;
		break;
	}
	t->answer = netstring_frame(t->answer, len, &t->answer_len);
	return result;
}

static const struct server_protocol protocol = {
	.name = "socketmap",
	.kind = FRONT_SOCKETMAP,
	.request_max = NETSTRING_WHOLE,
	.answer_max = NETSTRING_WHOLE,
	.clients_max = CLIENTS_MAX,
	.idle_ms = IDLE_MS,
	.parser_size = sizeof(struct netstring_parser),
	.take = take,
};

struct socketmap *
socketmap_start(const struct endpoint *where, const char *socket_group,
    socketmap_answer_fn answer, void *ctx)
{
	struct socketmap *s = xcalloc(1, sizeof(*s));
	int error;

	s->answer = answer;
	s->ctx = ctx;
	s->server = server_start(&protocol, s, where, socket_group);
	if (s->server == NULL) {
		error = errno;
		free(s);
		errno = error;
		return NULL;
	}
	return s;
}

void
socketmap_stop(struct socketmap *s)
{
	if (s == NULL)
		return;
	server_stop(s->server);
	free(s);
}
