/*
 * misread.c - overrides that somebody wrote and that change nothing
 */
#include "core/misread.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static struct misread *
find(const struct misreads *m, const char *target)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		if (strcmp(m->v[i].target, target) == 0)
			return &m->v[i];
	}
	return NULL;
}

void
misread_add(struct misreads *m, const char *target, const char *text)
{
	char name[BOARD_NAME_MAX];
	struct misread *one;

	text_clean(name, sizeof(name), target, strlen(target));
	if ((one = find(m, name)) == NULL) {
		if (m->count == MISREADS_MAX)
			return;
		m->v = xreallocarray(m->v, m->count + 1, sizeof(*m->v));
		one = &m->v[m->count++];
		text_copy(one->target, sizeof(one->target), name);
	}
	text_copy(one->text, sizeof(one->text), text);
}

void
misread_remove(struct misreads *m, const char *target)
{
	char name[BOARD_NAME_MAX];
	struct misread *one;

	text_clean(name, sizeof(name), target, strlen(target));
	if ((one = find(m, name)) != NULL)
		*one = m->v[--m->count];
}

void
misread_clear(struct misreads *m)
{
	free(m->v);
	*m = (struct misreads){ 0 };
}
