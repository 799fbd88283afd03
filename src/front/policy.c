/*
 * policy.c - the Postfix policy service
 */
#include "front/policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "front/front.h"
#include "front/policy_request.h"
#include "front/server.h"

#define CLIENTS_MAX	4096
#define ANSWER_MAX	(VERDICT_TEXT_MAX + 32)
#define IDLE_MS		(3600 * 1000)	/* Postfix keeps connections */

struct policy_server {
	struct board		*board;
	struct server		*server;
};

static const char *
known(const char *value)
{
	return value != NULL && *value != '\0' ? value : NULL;
}

/*
 * Before MAIL there is no sender to decide about, and VRFY and ETRN send no
 * mail.  At DATA and END-OF-MESSAGE of a message with several recipients
 * Postfix leaves the recipient empty: then the sender alone decides.
 */
static bool
has_envelope(const char *state)
{
	static const char *const states[] = {
		"RCPT", "END-OF-MESSAGE", "DATA", "MAIL",
	};
	size_t i;

	if (known(state) == NULL)
		return true;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

/* Writes the answer to line[ANSWER_MAX] and returns its length. */
static size_t
answer(struct board *board, const struct policy_request *req, char *line)
{
	const char *const *value = req->value;
	struct envelope env = {
		.sender = value[POLICY_SENDER],
		.recipient = known(value[POLICY_RECIPIENT]),
		.account = known(value[POLICY_SASL_USERNAME]),
	};
	char text[VERDICT_TEXT_MAX];
	enum action act = ACT_PASS;

	if (has_envelope(value[POLICY_STATE]))
		act = front_ask(FRONT_POLICY, board, &env, text);
	if (act == ACT_TEMPFAIL)
		return (size_t)snprintf(line, ANSWER_MAX,
		    "action=451 4.7.1 %s\n\n", text);
	if (act == ACT_HOLD)
		return (size_t)snprintf(line, ANSWER_MAX,
		    "action=HOLD %s\n\n", text);
	strcpy(line, "action=DUNNO\n\n");
	return strlen(line);
}

static enum server_result
take(void *ctx, void *parser, struct server_turn *t)
{
	struct policy_server *s = ctx;
	struct policy_request req;

	switch (policy_request_read(parser, t->buf, t->len, &req, &t->used,
	    &t->why)) {
	case POLICY_MORE:
		return SERVER_MORE;
	case POLICY_READY:
		t->answer_len = answer(s->board, &req, t->answer);
		return SERVER_READY;
	case POLICY_MALFORMED:
		break;
	}
	return SERVER_MALFORMED;
}

static const struct server_protocol protocol = {
	.name = "policy",
	.kind = FRONT_POLICY,
	.request_max = POLICY_REQUEST_MAX,
	.answer_max = ANSWER_MAX,
	.clients_max = CLIENTS_MAX,
	.idle_ms = IDLE_MS,
	.parser_size = sizeof(struct policy_parser),
	.take = take,
};

struct policy_server *
policy_server_start(struct board *board, const struct endpoint *where,
    const char *socket_group)
{
	struct policy_server *s = xcalloc(1, sizeof(*s));
	int error;

	s->board = board;
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
policy_server_stop(struct policy_server *s)
{
	if (s == NULL)
		return;
	server_stop(s->server);
	free(s);
}
