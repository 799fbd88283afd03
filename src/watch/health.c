/*
 * health.c - may this list be believed, in this sweep and by this resolver
 */
#include "watch/health.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "watch/classify.h"

static enum health
verdict(char *reason, enum health h, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static enum health
verdict(char *reason, enum health h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, BOARD_REASON_MAX, fmt, ap);
	va_end(ap);
	return h;
}

static const char *
code_text(uint32_t code, char buf[ADDR_TEXT_MAX])
{
	struct addr a = addr_from_ipv4(code);

	return addr_text(&a, buf);
}

/* The usual reason: the resolver forwards to a public one, or is one. */
static enum health
refused(const struct list *l, const struct answer_seen *a,
    const char *resolver, char *reason)
{
	return verdict(reason, HEALTH_BLIND, "%s refuses what resolver %s "
	    "asks (%s): it is public, forwards to one, or asks too much: run "
	    "an own recursive resolver, or use the key service",
	    l->operator, resolver, a->name[0] != '\0' ? a->name : "refused");
}

/* An entry that must not exist is there. */
static enum health
judge_false_hit(const struct list *l, const struct reply *r,
    const char *resolver, const char *what, char *reason)
{
	struct answer_seen a = classify(l, r);
	char text[ADDR_TEXT_MAX];

	switch (a.kind) {
	case ANS_CLEAN:
		return HEALTH_USABLE;
	case ANS_FOREIGN:
		code_text(a.code, text);
		return verdict(reason, HEALTH_BROKEN, "answers %s for names "
		    "that do not exist: the zone is parked, or resolver %s "
		    "rewrites NXDOMAIN: use an own recursive resolver", text,
		    resolver);
	case ANS_REFUSED:
		return refused(l, &a, resolver, reason);
	case ANS_ODD:
		return verdict(reason, HEALTH_BLIND, "gives an empty answer "
		    "for %s by resolver %s, where a list says NXDOMAIN", what,
		    resolver);
	case ANS_FAILED:
		return verdict(reason, HEALTH_BLIND, "resolver %s: %s",
		    resolver, reply_status_name(r->status));
	case ANS_LISTED:
	case ANS_POLICY:
	case ANS_GREY:
	case ANS_GOOD:
	case ANS_AGE:
	case ANS_INFO:
	case ANS_UNKNOWN:
	case ANS_KINDS:
		break;
	}
	return verdict(reason, HEALTH_BROKEN, "lists the whole world: %s is "
	    "listed, and must not be (resolver %s)", what, resolver);
}

static enum health
judge_must_hit(const struct list *l, const struct reply *r,
    const char *resolver, char *reason)
{
	struct answer_seen a = classify(l, r);
	char text[ADDR_TEXT_MAX];

	switch (a.kind) {
	case ANS_CLEAN:
		return verdict(reason, HEALTH_BLIND, "does not list its own "
		    "test entry by resolver %s: the list is emptied or "
		    "closed, or answers only registered resolvers",
		    resolver);
	case ANS_REFUSED:
		return refused(l, &a, resolver, reason);
	case ANS_FOREIGN:
		code_text(a.code, text);
		return verdict(reason, HEALTH_BROKEN, "answers %s for its "
		    "test entry, outside 127.0.0.0/8 (resolver %s): parked "
		    "or rewritten", text, resolver);
	case ANS_ODD:
		return verdict(reason, HEALTH_BLIND, "test entry without an "
		    "address: resolver %s strips 127.0.0.0/8 from answers "
		    "(rebinding protection): switch that off for this "
		    "zone", resolver);
	case ANS_FAILED:
		return verdict(reason, HEALTH_BLIND, "resolver %s: %s",
		    resolver, reply_status_name(r->status));
	case ANS_LISTED:
	case ANS_POLICY:
	case ANS_GREY:
	case ANS_GOOD:
	case ANS_AGE:
	case ANS_INFO:
	case ANS_UNKNOWN:	/* there, if not in our table */
	case ANS_KINDS:
		break;
	}
	return HEALTH_USABLE;
}

enum health
health_judge(const struct list *l,
    const struct probe_result probes[PROBE_KINDS], const char *resolver,
    char *reason)
{
	const struct probe_result *p;
	enum health h;

	reason[0] = '\0';
	/* What names a broken list comes first: a list that answers for the
	 * whole world passes the must-hit probe. */
	p = &probes[PROBE_RANDOM];
	if (p->asked && (h = judge_false_hit(l, &p->reply, resolver,
	    "a random name", reason)) != HEALTH_USABLE)
		return h;
	p = &probes[PROBE_CLEAN];
	if (p->asked && (h = judge_false_hit(l, &p->reply, resolver,
	    "its test entry that must not be listed", reason)) !=
	    HEALTH_USABLE)
		return h;
	p = &probes[PROBE_LISTED];
	if (p->asked && (h = judge_must_hit(l, &p->reply, resolver,
	    reason)) != HEALTH_USABLE)
		return h;
	return HEALTH_USABLE;
}

static enum cause
cause_of_failure(const struct reply *r)
{
	return r->status == REPLY_TIMEOUT || r->status == REPLY_NETWORK ?
	    CAUSE_SILENT : CAUSE_FAILURE;
}

static enum cause
cause_of(const struct list *l, enum probe probe, const struct reply *r)
{
	bool must_hit = probe == PROBE_LISTED;

	switch (classify(l, r).kind) {
	case ANS_CLEAN:
		return must_hit ? CAUSE_EMPTY : CAUSE_NONE;
	case ANS_REFUSED:
		return CAUSE_REFUSED;
	case ANS_FOREIGN:
		return CAUSE_FOREIGN;
	case ANS_ODD:
		return CAUSE_STRIPPED;
	case ANS_FAILED:
		return cause_of_failure(r);
	case ANS_LISTED:
	case ANS_POLICY:
	case ANS_GREY:
	case ANS_GOOD:
	case ANS_AGE:
	case ANS_INFO:
	case ANS_UNKNOWN:
	case ANS_KINDS:
		break;
	}
	return must_hit ? CAUSE_NONE : CAUSE_WORLD;
}

enum cause
health_cause(const struct list *l,
    const struct probe_result probes[PROBE_KINDS])
{
	static const enum probe order[] = {
		PROBE_RANDOM, PROBE_CLEAN, PROBE_LISTED
	};
	enum cause c;
	size_t i;

	for (i = 0; i < PROBE_KINDS; i++) {
		if (!probes[order[i]].asked)
			continue;
		c = cause_of(l, order[i], &probes[order[i]].reply);
		if (c != CAUSE_NONE)
			return c;
	}
	return CAUSE_NONE;
}

static const char *const blame[] = {
	[CAUSE_NONE] = "",
	[CAUSE_REFUSED] = "they refuse what it asks, as they do with public "
	    "and forwarding resolvers: run an own recursive resolver that "
	    "does not forward",
	[CAUSE_STRIPPED] = "it strips 127.0.0.0/8 from answers (rebinding "
	    "protection): switch that off for the lists",
	[CAUSE_FOREIGN] = "it rewrites NXDOMAIN: use an own recursive "
	    "resolver",
	[CAUSE_WORLD] = "it answers for names that do not exist: use an own "
	    "recursive resolver",
	[CAUSE_EMPTY] = "it says that nothing exists, not even their test "
	    "entries: use an own recursive resolver",
	[CAUSE_SILENT] = "it does not answer: see whether it runs and can "
	    "reach the Internet",
	[CAUSE_FAILURE] = "it cannot resolve anything: see its log",
};

static_assert(sizeof(blame) / sizeof(blame[0]) == CAUSE_KINDS,
    "a sentence for every cause");

void
health_blame(enum cause c, const char *resolver, size_t list_count,
    char *reason)
{
	snprintf(reason, BOARD_REASON_MAX, "resolver %s is at fault, not the "
	    "%zu lists: %s", resolver, list_count, blame[c]);
}
