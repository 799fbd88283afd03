/*
 * list.c - a DNS list, and what its answers mean
 */
#include "core/list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const answer_names[] = {
	"clean", "listed", "policy", "grey", "good", "age", "info",
	"unknown", "refused", "foreign", "odd", "failed",
};

static_assert(sizeof(answer_names) / sizeof(answer_names[0]) == ANS_KINDS,
    "a name for every answer");

static const char *const kind_names[] = { "ipv4", "ipv6", "domains" };

static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == SUBJECT_KINDS,
    "a name for every kind of subject");

const char *
answer_name(enum answer a)
{
	return answer_names[a];
}

bool
answer_parse(const char *name, enum answer *out)
{
	int i;

	for (i = 0; i < ANS_KINDS; i++) {
		if (strcmp(answer_names[i], name) == 0) {
			*out = (enum answer)i;
			return true;
		}
	}
	return false;
}

const char *
subject_kind_name(enum subject_kind k)
{
	return kind_names[k];
}

int
list_row_weight(const struct list *l, const struct list_answer *row)
{
	if (row->weight >= 0)
		return row->weight;
	return row->means == ANS_LISTED ? l->weight : 0;
}

void
list_hide_key(const struct list *l, char *text)
{
	static const char mark[] = "{key}";
	const char *at = strstr(l->zone, mark);
	size_t head, tail, len, i;
	const char *key;
	char *p;

	if (at == NULL || l->query_zone == NULL)
		return;
	head = (size_t)(at - l->zone);
	tail = strlen(at + sizeof(mark) - 1);
	if (strlen(l->query_zone) <= head + tail)
		return;
	key = l->query_zone + head;
	len = strlen(l->query_zone) - head - tail;
	for (p = text; strlen(p) >= len; p++) {
		if (strncasecmp(p, key, len) != 0)
			continue;
		for (i = 0; i < len; i++)
			p[i] = '*';
	}
}

void
list_clear(struct list *l)
{
	size_t i;

	for (i = 0; i < l->answer_count; i++)
		free(l->answers[i].name);
	for (i = 0; i < SUBJECT_KINDS; i++) {
		free(l->tests[i].listed);
		free(l->tests[i].clean);
	}
	free(l->zone);
	free(l->query_zone);
	free(l->operator);
	free(l->answers);
	free(l->influence);
	free(l->lookup);
	free(l->delist);
	free(l->note);
}
