/*
 * board_words.c - operators' words, as the board keeps them
 */
#include "core/board_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/domain.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/words.h"

#define OVERRIDES_MAX	10000	/* what people can have meant */

static bool
plain_name(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

/* Target in the form that it is kept in; NULL or what is wrong. */
static const char *
normal_target(const char *target, char *out)
{
	char domain[DOMAIN_MAX];
	struct addr a;
	size_t i;

	if (target[0] == '\0' || strlen(target) >= BOARD_NAME_MAX)
		return "is empty or too long";
	for (i = 0; target[i] != '\0'; i++) {
		if (target[i] <= ' ' || target[i] > '~')
			return "has a character that does not belong there";
	}
	if (addr_parse(target, &a)) {
		addr_text(&a, out);
		return NULL;
	}
	text_copy(out, BOARD_NAME_MAX, target);
	if (strncmp(target, "account:", 8) == 0)
		return target[8] != '\0' ? NULL : "names no account";
	if (strncmp(target, "domain:", 7) == 0) {
		if (domain_normal(target + 7, domain) != NULL)
			return "names no domain";
		snprintf(out, BOARD_NAME_MAX, "domain:%s", domain);
		return NULL;
	}
	if (strncmp(target, "provider:", 9) == 0)
		return plain_name(target + 9) ? NULL : "names no provider";
	return plain_name(target) ? NULL :
	    "is none of: an egress, an address, account:NAME, domain:NAME, "
	    "provider:NAME, all";
}

/* Does this host have what the target names? */
static bool
target_known(const struct board *b, const char *target)
{
	struct addr a;
	size_t i;

	for (i = 0; strncmp(target, "provider:", 9) == 0 &&
	    i < b->policy->provider_count; i++) {
		if (text_same(b->policy->providers[i].name, target + 9))
			return true;
	}
	/* A domain is only meant where "domain:" stands before it. */
	return strcasecmp(target, "all") == 0 ||
	    strncmp(target, "account:", 8) == 0 ||
	    strncmp(target, "domain:", 7) == 0 ||
	    policy_find_egress(b->policy, target) != -1 ||
	    (addr_parse(target, &a) && board_find_addr(b, &a) != -1);
}

const char *
board_target(const struct board *b, const char *target, char *out)
{
	const char *wrong = normal_target(target, out);
	int egress;
	size_t i;

	if (wrong != NULL)
		return wrong;
	if (!target_known(b, out))
		return strncmp(out, "provider:", 9) == 0 ?
		    "is no provider of providers.conf" :
		    "is no egress or address of this host";
	/* One spelling, for the keys of Redis mind the case. */
	if ((egress = policy_find_egress(b->policy, out)) != -1)
		text_copy(out, BOARD_NAME_MAX, b->policy->egress[egress].name);
	else if (strcasecmp(out, "all") == 0)
		text_copy(out, BOARD_NAME_MAX, "all");
	for (i = 0; strncmp(out, "provider:", 9) == 0 &&
	    i < b->policy->provider_count; i++) {
		if (text_same(b->policy->providers[i].name, out + 9))
			text_copy(out + 9, BOARD_NAME_MAX - 9,
			    b->policy->providers[i].name);
	}
	return NULL;
}

static size_t
override_place(const struct board *b, const char *target, bool *found)
{
	size_t lo = 0, hi = b->override_count, mid;
	int c;

	*found = false;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = strcasecmp(b->overrides[mid].target, target);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
override_event(struct board *b, const struct override *o, enum word from,
    int64_t now_ms, const char *ended)
{
	struct board_event *e = board_add_event(b, EVENT_OVERRIDE, now_ms);
	char left[DURATION_TEXT_MAX], reason[BOARD_REASON_MAX];
	bool known = target_known(b, o->target);

	text_copy(e->egress, sizeof(e->egress), o->target);
	text_copy(e->from, sizeof(e->from), word_name(from));
	text_copy(e->to, sizeof(e->to), word_name(o->word));
	if (o->word == WORD_NONE) {
		snprintf(e->text, sizeof(e->text), "%s: override \"%s\" %s, "
		    "evidence decides again", o->target, word_name(from),
		    ended);
		return;
	}
	text_clean(reason, sizeof(reason), o->reason, strlen(o->reason));
	snprintf(e->text, sizeof(e->text), "%s: override \"%s\" by %s, "
	    "%s%s%s%s%s%s", o->target, word_name(o->word), o->source,
	    o->until_ms != 0 ? "ends in " : "until it is removed",
	    o->until_ms != 0 ? duration_text(o->until_ms - now_ms, left) : "",
	    reason[0] != '\0' ? " (" : "", reason,
	    reason[0] != '\0' ? ")" : "",
	    known ? "" : strncmp(o->target, "provider:", 9) == 0 ?
	    "; no provider of providers.conf" :
	    "; no egress or address of this host");
}

void
board_remove_override(struct board *b, size_t i, int64_t now_ms, const char *ended)
{
	struct override o = b->overrides[i];
	enum word from = o.word;

	memmove(b->overrides + i, b->overrides + i + 1,
	    (b->override_count - i - 1) * sizeof(*b->overrides));
	b->override_count--;
	b->dirty = true;
	o.word = WORD_NONE;
	override_event(b, &o, from, now_ms, ended);
}

bool
board_override(struct board *b, const struct override *want, int64_t now_ms,
    const char **why)
{
	struct override o = *want, *old;
	enum word from = WORD_NONE;
	bool found;
	size_t i;

	if ((*why = normal_target(want->target, o.target)) != NULL)
		return false;
	i = override_place(b, o.target, &found);
	if (o.word == WORD_NONE ||
	    (o.until_ms != 0 && o.until_ms <= now_ms)) {
		if (found)
			board_remove_override(b, i, now_ms, "removed");
		return true;
	}
	if (!found && b->override_count >= OVERRIDES_MAX) {
		*why = "there are too many overrides: remove some";
		return false;
	}
	if (!found) {
		b->overrides = xreallocarray(b->overrides,
		    b->override_count + 1, sizeof(*b->overrides));
		memmove(b->overrides + i + 1, b->overrides + i,
		    (b->override_count - i) * sizeof(*b->overrides));
		b->override_count++;
		memset(&b->overrides[i], 0, sizeof(b->overrides[i]));
	}
	old = &b->overrides[i];
	from = old->word;
	/* The same word read again, its end off by a rounding: no news. */
	if (found && old->word == o.word &&
	    strcmp(old->reason, o.reason) == 0 &&
	    (old->until_ms != 0) == (o.until_ms != 0) &&
	    llabs(old->until_ms - o.until_ms) < 1500) {
		old->until_ms = o.until_ms;
		old->restored = o.restored;
		text_copy(old->source, sizeof(old->source), o.source);
		b->dirty = true;
		return true;
	}
	if (o.since_ms == 0)
		o.since_ms = from == o.word ? old->since_ms : now_ms;
	*old = o;
	b->dirty = true;
	override_event(b, &o, from, now_ms, "");
	return true;
}

size_t
board_override_count(const struct board *b)
{
	return b->override_count;
}

const struct override *
board_get_override(const struct board *b, size_t i)
{
	return &b->overrides[i];
}

enum state
board_effective(const struct board *b, size_t egress, int64_t now_ms,
    const struct override **by)
{
	const struct egress *e = &b->policy->egress[egress];
	enum state state = b->egress[egress].standing.state;
	const struct override *o;

	o = words_for_egress(b->overrides, b->override_count, e, now_ms);
	if (by != NULL)
		*by = o;
	if (o != NULL)
		return o->word == WORD_STOP ? STATE_STOPPED : STATE_SENDING;
	return state == STATE_SENDING && b->pools[e->pool].guarded ?
	    STATE_STOPPED : state;
}
