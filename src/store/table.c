/*
 * table.c - things found by name
 */
#include "store/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "base/mem.h"

#define SLOTS_MIN	64

uint64_t
table_hash(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 14695981039346656037u ^ seed;

	while (len-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h ^ h >> 32;
}

void
table_init(struct table *t)
{
	t->slot_count = SLOTS_MIN;
	t->slots = xcalloc(t->slot_count, sizeof(*t->slots));
	t->count = 0;
	evutil_secure_rng_get_bytes(&t->seed, sizeof(t->seed));
}

void
table_clear(struct table *t)
{
	assert(t->count == 0);
	free(t->slots);
	t->slots = NULL;
}

static struct table_entry **
slot(const struct table *t, uint64_t hash)
{
	return &t->slots[hash & (t->slot_count - 1)];
}

static void
grow(struct table *t)
{
	struct table_entry **old = t->slots, *e, *next;
	size_t i, old_count = t->slot_count;

	t->slot_count = old_count * 2;
	t->slots = xcalloc(t->slot_count, sizeof(*t->slots));
	for (i = 0; i < old_count; i++) {
		for (e = old[i]; e != NULL; e = next) {
			next = e->next;
			e->next = *slot(t, e->hash);
			*slot(t, e->hash) = e;
		}
	}
	free(old);
}

struct table_entry *
table_find(const struct table *t, const char *name)
{
	uint64_t hash = table_hash(t->seed, name, strlen(name));
	struct table_entry *e;

	for (e = *slot(t, hash); e != NULL; e = e->next) {
		if (e->hash == hash && strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

void
table_add(struct table *t, struct table_entry *e, const char *name)
{
	if (t->count >= t->slot_count)
		grow(t);
	e->name = xstrdup(name);
	e->hash = table_hash(t->seed, name, strlen(name));
	e->next = *slot(t, e->hash);
	*slot(t, e->hash) = e;
	t->count++;
}

void
table_remove(struct table *t, struct table_entry *gone)
{
	struct table_entry **e = slot(t, gone->hash);

	while (*e != gone)
		e = &(*e)->next;
	*e = gone->next;
	free(gone->name);
	gone->name = NULL;
	t->count--;
}

static struct table_entry *
first_from(const struct table *t, size_t i)
{
	for (; i < t->slot_count; i++) {
		if (t->slots[i] != NULL)
			return t->slots[i];
	}
	return NULL;
}

struct table_entry *
table_first(const struct table *t)
{
	return first_from(t, 0);
}

struct table_entry *
table_next(const struct table *t, const struct table_entry *e)
{
	if (e->next != NULL)
		return e->next;
	return first_from(t, (e->hash & (t->slot_count - 1)) + 1);
}
