/*
 * round.c - one list, one resolver, some subjects, and the three probes
 */
#include "watch/round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "base/mem.h"
#include "watch/classify.h"

#define NAME_BYTES	256
#define RANDOM_LETTERS	12

/* Which question an answer belongs to: a probe, or a subject. */
struct asked {
	struct round	*round;
	bool		 is_probe;
	size_t		 index;
};

struct round {
	struct resolver		*resolver;
	size_t			 server;
	const struct list	*list;
	struct probe_result	 probes[PROBE_KINDS];
	struct answer_seen	*answers;
	enum reply_status	*status;
	struct asked		*asked;
	struct subject		*subjects;	/* domains are the asker's */
	size_t			 next;		/* subject to be asked */
	size_t			 count, asked_count;
	size_t			 pending;
	bool			 urgent, cancelled;
	round_cb		*cb;
	void			*ctx;
};

static void
finish(struct round *r)
{
	struct round_result result = { .answers = r->answers,
	    .status = r->status, .count = r->count,
	    .cancelled = r->cancelled };
	char reason[BOARD_REASON_MAX] = "";

	if (!r->cancelled)
		result.health = health_judge(r->list, r->probes,
		    resolver_server_name(r->resolver, r->server), reason);
	if (result.health != HEALTH_USABLE)
		result.cause = health_cause(r->list, r->probes);
	result.reason = reason;
	r->cb(r->ctx, &result);
	free(r->subjects);
	free(r->answers);
	free(r->status);
	free(r->asked);
	free(r);
}

static void
maybe_finish(struct round *r)
{
	if (r->pending == 0)
		finish(r);
}

static void
answer_cb(void *ctx, const struct reply *reply)
{
	struct asked *a = ctx;
	struct round *r = a->round;

	if (reply->status == REPLY_CANCELLED) {
		r->cancelled = true;
	} else if (a->is_probe) {
		r->probes[a->index].reply = *reply;
	} else {
		r->answers[a->index] = classify(r->list, reply);
		r->status[a->index] = reply->status;
	}
	r->pending--;
	maybe_finish(r);
}

static void
ask(struct round *r, bool is_probe, size_t index, const char *name)
{
	struct asked *a = &r->asked[r->asked_count++];

	*a = (struct asked){ r, is_probe, index };
	r->pending++;
	resolver_ask(r->resolver, r->server, name, r->list->query_zone,
	    REPLY_TYPE_A, r->urgent, answer_cb, a);
}

static void
ask_probe(struct round *r, enum probe probe, const char *label)
{
	char name[NAME_BYTES];

	if (label == NULL)
		return;
	snprintf(name, sizeof(name), "%s.%s", label, r->list->query_zone);
	r->probes[probe].asked = true;
	ask(r, true, (size_t)probe, name);
}

/* New each time, so that no cache on the way can know it, and no address
 * or domain that a list could hold. */
static void
random_label(char label[RANDOM_LETTERS + 4])
{
	unsigned char raw[RANDOM_LETTERS];
	int i;

	evutil_secure_rng_get_bytes(raw, sizeof(raw));
	memcpy(label, "mb-", 3);
	for (i = 0; i < RANDOM_LETTERS; i++)
		label[3 + i] = (char)('a' + raw[i] % 26);
	label[3 + RANDOM_LETTERS] = '\0';
}

const char *
round_query_name(const struct list *l, const struct subject *s, char *buf)
{
	char reversed[ADDR_REVERSED_MAX];
	int n;

	n = snprintf(buf, NAME_BYTES, "%s.%s", s->kind == SUBJECT_DOMAIN ?
	    s->domain : addr_reversed(&s->addr, reversed), l->query_zone);
	return n > 253 ? NULL : buf;	/* RFC 1035 2.3.4, as text */
}

static void	more_cb(void *ctx, bool cancelled);

/* What is left of the subjects, or as many as the list's rate allows for a
 * second; and after the last of them the random name, so that a list that
 * breaks in between is found out. */
static void
ask_some(struct round *r)
{
	char label[RANDOM_LETTERS + 4], name[NAME_BYTES];
	size_t some = r->list->rate > 0 ? (size_t)r->list->rate : r->count;

	for (; r->next < r->count && some > 0; r->next++, some--) {
		if (round_query_name(r->list, &r->subjects[r->next], name) ==
		    NULL)
			r->status[r->next] = REPLY_BADNAME;
		else
			ask(r, false, r->next, name);
	}
	if (r->next < r->count) {
		r->pending++;
		resolver_later(r->resolver, 1000, more_cb, r);
		return;
	}
	random_label(label);
	ask_probe(r, PROBE_RANDOM, label);
}

static void
more_cb(void *ctx, bool cancelled)
{
	struct round *r = ctx;

	r->pending--;
	r->cancelled = r->cancelled || cancelled;
	if (!r->cancelled)
		ask_some(r);
	maybe_finish(r);
}

struct round *
round_start(struct resolver *resolver, size_t server, const struct list *l,
    enum subject_kind kind, const struct subject *const *subjects,
    size_t count, bool urgent, round_cb *cb, void *ctx)
{
	struct round *r = xcalloc(1, sizeof(*r));
	size_t i;

	*r = (struct round){ .resolver = resolver, .server = server,
	    .list = l, .count = count, .urgent = urgent,
	    .cb = cb, .ctx = ctx };
	r->answers = xcalloc(count, sizeof(*r->answers));
	r->status = xcalloc(count, sizeof(*r->status));
	r->asked = xcalloc(count + PROBE_KINDS, sizeof(*r->asked));
	r->subjects = xcalloc(count, sizeof(*r->subjects));
	for (i = 0; i < count; i++) {
		r->answers[i].kind = ANS_FAILED;
		r->subjects[i] = *subjects[i];
	}
	ask_probe(r, PROBE_LISTED, l->tests[kind].listed);
	ask_probe(r, PROBE_CLEAN, l->tests[kind].clean);
	ask_some(r);
	return r;
}
