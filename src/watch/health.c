/*
 * health.c - may this list be believed, in this sweep and by this resolver
 */
#include "watch/health.h"

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
		return verdict(reason, HEALTH_BLIND, "refuses us (%s) at "
		    "resolver %s: use an own recursive resolver that does "
		    "not forward, or the list's key service",
		    a.name[0] != '\0' ? a.name : "refused", resolver);
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
		return verdict(reason, HEALTH_BLIND, "refuses us (%s) at "
		    "resolver %s: use an own recursive resolver that does "
		    "not forward, or the list's key service",
		    a.name[0] != '\0' ? a.name : "refused", resolver);
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
