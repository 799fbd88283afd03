/*
 * words.c - which operator's word applies
 */
#include "core/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static int
compare_target(const void *key, const void *item)
{
	return strcasecmp(key, ((const struct override *)item)->target);
}

const struct override *
words_find(const struct override *v, size_t count, const char *target,
    int64_t now_ms)
{
	const struct override *o;

	if (count == 0)
		return NULL;
	o = bsearch(target, v, count, sizeof(*v), compare_target);
	if (o != NULL && o->until_ms != 0 && o->until_ms <= now_ms)
		return NULL;
	return o;
}

const struct override *
words_find_named(const struct override *v, size_t count, const char *kind,
    const char *name, int64_t now_ms)
{
	char target[BOARD_NAME_MAX];

	if (count == 0 || name == NULL || name[0] == '\0' ||
	    (size_t)snprintf(target, sizeof(target), "%s%s", kind, name) >=
	    sizeof(target))
		return NULL;
	return words_find(v, count, target, now_ms);
}

void
words_weigh(const struct override **best, const struct override *o)
{
	if (o != NULL && (*best == NULL || ((*best)->word == WORD_SEND &&
	    o->word == WORD_STOP)))
		*best = o;
}

const struct override *
words_for_egress(const struct override *v, size_t count,
    const struct egress *e, int64_t now_ms)
{
	const struct override *best = NULL;
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (count == 0)
		return NULL;
	words_weigh(&best, words_find(v, count, "all", now_ms));
	words_weigh(&best, words_find(v, count, e->name, now_ms));
	for (i = 0; i < e->addr_count; i++)
		words_weigh(&best, words_find(v, count,
		    addr_text(&e->addrs[i], text), now_ms));
	return best;
}
