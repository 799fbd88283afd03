/*
 * classify.c - what a list's answer means
 */
#include "watch/classify.h"

#include <string.h>

#include "base/text.h"

/* Of the meanings in one answer, which one speaks for it.  A higher rank
 * wins; among equals the heavier. */
static const int rank[ANS_KINDS] = {
	[ANS_CLEAN] = 0,
	[ANS_INFO] = 1,
	[ANS_GOOD] = 2,
	[ANS_AGE] = 3,
	[ANS_UNKNOWN] = 4,
	[ANS_GREY] = 5,
	[ANS_POLICY] = 6,
	[ANS_LISTED] = 7,
	[ANS_REFUSED] = 8,
	[ANS_FOREIGN] = 9,
};

static bool
beats(const struct answer_seen *a, const struct answer_seen *b)
{
	bool sa = a->kind >= ANS_REFUSED, sb = b->kind >= ANS_REFUSED;

	if (sa != sb)
		return sa;
	if (!sa && a->weight != b->weight)
		return a->weight > b->weight;
	return rank[a->kind] > rank[b->kind];
}

static bool
row_matches(const struct list_answer *row, uint32_t code)
{
	if (row->bits != 0)
		return (code & row->bits) != 0;
	return code >= row->lo && code <= row->hi;
}

static struct answer_seen
seen_by_row(const struct list *l, const struct list_answer *row,
    uint32_t code)
{
	struct answer_seen a = { .kind = row->means, .code = code,
	    .weight = list_row_weight(l, row) };

	if (row->name != NULL)
		text_copy(a.name, sizeof(a.name), row->name);
	return a;
}

struct answer_seen
classify_code(const struct list *l, uint32_t code)
{
	bool refusal = code >= 0x7fffff00 && code <= 0x7fffffff;
	struct answer_seen best = { .kind = refusal ? ANS_REFUSED :
	    ANS_UNKNOWN, .code = code }, a;
	bool ranged = false, matched = false;
	size_t i;

	if (code >> 24 != 127)
		return (struct answer_seen){ .kind = ANS_FOREIGN,
		    .code = code };
	for (i = 0; i < l->answer_count; i++) {
		const struct list_answer *row = &l->answers[i];

		if (!row_matches(row, code))
			continue;
		/* 127.255.255.0/24 refuses on every list, also where its
		 * last octet would look like bits. */
		if (refusal && (row->bits != 0 || row->means != ANS_REFUSED))
			continue;
		/* Of the rows with codes only the first counts, of those
		 * with bits each. */
		if (row->bits == 0 && ranged)
			continue;
		ranged = ranged || row->bits == 0;
		a = seen_by_row(l, row, code);
		if (!matched || beats(&a, &best))
			best = a;
		matched = true;
	}
	return best;
}

struct answer_seen
classify(const struct list *l, const struct reply *r)
{
	struct answer_seen best = { .kind = ANS_FAILED }, a;
	size_t i;

	switch (r->status) {
	case REPLY_NXDOMAIN:
		/* There is an alias, so the list does have an entry, if one
		 * that leads nowhere. */
		return (struct answer_seen){ .kind = r->aliased ||
		    r->left_zone ? ANS_ODD : ANS_CLEAN };
	case REPLY_NODATA:
		/* RFC 5782 2.1 wants no records at all for what is not
		 * listed: a TXT-only entry, or a filter on the path. */
		return (struct answer_seen){ .kind = ANS_ODD };
	case REPLY_OK:
		break;
	default:
		return best;
	}
	if (r->addr_count == 0 || r->more_addrs)
		return (struct answer_seen){ .kind = ANS_ODD };
	for (i = 0; i < r->addr_count; i++) {
		a = classify_code(l, r->addrs[i]);
		if (i == 0 || beats(&a, &best))
			best = a;
	}
	/* A chain that leaves the zone is what a parked domain looks like. */
	if (r->left_zone && best.kind != ANS_FOREIGN)
		best = (struct answer_seen){ .kind = ANS_ODD,
		    .code = best.code };
	return best;
}
