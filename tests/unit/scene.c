/*
 * scene.c - a board with its policy and its time, moved by hand
 */
#include "unit.h"

#include "scene.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "watch/classify.h"

static void
all_usable(struct scene *s)
{
	size_t i;
	int k;

	for (i = 0; i < board_policy(s->board)->list_count; i++) {
		for (k = 0; k < SUBJECT_KINDS; k++)
			board_health(s->board, i, (enum subject_kind)k,
			    HEALTH_USABLE, "", s->now_ms);
	}
}

void
scene_open(struct scene *s, const char *conf)
{
	struct policy *p = unit_policy(conf);

	*s = (struct scene){ .now_ms = SCENE_START };
	s->board = board_new(p, s->now_ms);
	policy_unref(p);
	all_usable(s);
	scene_tick(s);
}

void
scene_close(struct scene *s)
{
	board_free(s->board);
	s->board = NULL;
}

void
scene_reload(struct scene *s, const char *conf)
{
	struct policy *p = unit_policy(conf);

	board_set_policy(s->board, p, s->now_ms);
	policy_unref(p);
	scene_tick(s);
}

static size_t
subject_index(const struct scene *s, const char *subject)
{
	int i = board_find_subject(s->board, subject);

	if (i == -1)
		fail_msg("nobody asks about %s", subject);
	return (size_t)i;
}

static size_t
list_index(const struct scene *s, const char *zone)
{
	int i = policy_find_list(board_policy(s->board), zone);

	if (i == -1)
		fail_msg("there is no list %s", zone);
	return (size_t)i;
}

enum board_wish
scene_answer(struct scene *s, const char *subject, const char *zone,
    const char *code, bool second_look)
{
	size_t list = list_index(s, zone);
	struct answer_seen a = { .kind = ANS_CLEAN };
	struct addr addr;

	if (code != NULL) {
		assert_true(addr_parse(code, &addr));
		a = classify_code(&board_policy(s->board)->lists[list],
		    (uint32_t)addr.bytes[0] << 24 |
		    (uint32_t)addr.bytes[1] << 16 |
		    (uint32_t)addr.bytes[2] << 8 | addr.bytes[3]);
	}
	return board_answer(s->board, subject_index(s, subject), list, &a,
	    second_look, s->now_ms);
}

void
scene_list(struct scene *s, const char *subject, const char *zone,
    const char *code)
{
	enum board_wish wish = scene_answer(s, subject, zone, code, false);

	while (wish == BOARD_LOOK_AGAIN)
		wish = scene_answer(s, subject, zone, code, true);
	scene_tick(s);
}

static const struct listing *
find_listing(const struct scene *s, size_t subject, size_t list)
{
	size_t i;

	for (i = 0; i < board_listing_count(s->board); i++) {
		const struct listing *l = board_listing(s->board, i);

		if (l->subject == subject && l->list == list)
			return l;
	}
	return NULL;
}

void
scene_delist(struct scene *s, const char *subject, const char *zone)
{
	size_t i = subject_index(s, subject), list = list_index(s, zone);

	while (find_listing(s, i, list) != NULL)
		scene_answer(s, subject, zone, NULL, false);
	scene_tick(s);
}

void
scene_sweep(struct scene *s)
{
	const struct policy *p = board_policy(s->board);
	struct answer_seen clean = { .kind = ANS_CLEAN }, same;
	const struct listing *l;
	size_t i, j;

	for (i = 0; i < board_subject_count(s->board); i++) {
		for (j = 0; j < p->list_count; j++) {
			if (!p->lists[j].kinds[board_subject(s->board,
			    i)->kind])
				continue;
			l = find_listing(s, i, j);
			same = l != NULL ? l->seen : clean;
			board_answer(s->board, i, j, &same, false, s->now_ms);
		}
	}
}

static void
pass(struct scene *s, int64_t ms, bool answers)
{
	int64_t end = s->now_ms + ms;

	while (s->now_ms < end) {
		s->now_ms = end - s->now_ms > MINUTE ? s->now_ms + MINUTE :
		    end;
		if (answers)
			scene_sweep(s);
		scene_tick(s);
	}
}

void
scene_pass(struct scene *s, int64_t ms)
{
	pass(s, ms, true);
}

void
scene_pass_silently(struct scene *s, int64_t ms)
{
	pass(s, ms, false);
}

void
scene_override(struct scene *s, const char *target, enum word word,
    int64_t for_ms, const char *reason)
{
	struct override o = { .word = word,
	    .until_ms = for_ms != 0 ? s->now_ms + for_ms : 0 };
	const char *why;

	snprintf(o.target, sizeof(o.target), "%s", target);
	snprintf(o.reason, sizeof(o.reason), "%s", reason);
	snprintf(o.source, sizeof(o.source), "control");
	if (!board_override(s->board, &o, s->now_ms, &why))
		fail_msg("override %s: the target %s", target, why);
	scene_tick(s);
}

void
scene_tick(struct scene *s)
{
	struct board_event e;
	size_t len;

	s->next_ms = board_tick(s->board, s->now_ms);
	board_publish(s->board);
	while (board_next_event(s->board, &e)) {
		if (s->told != NULL)
			s->told(&e);
		len = strlen(s->log);
		snprintf(s->log + len, sizeof(s->log) - len, "%s\n", e.text);
	}
}

void
scene_hush(struct scene *s)
{
	s->log[0] = '\0';
}

size_t
scene_egress(const struct scene *s, const char *name)
{
	int i = policy_find_egress(board_policy(s->board), name);

	if (i == -1)
		fail_msg("there is no egress %s", name);
	return (size_t)i;
}

enum state
scene_state(const struct scene *s, const char *egress)
{
	return board_standing(s->board, scene_egress(s, egress))->state;
}

int
scene_score(const struct scene *s, const char *egress)
{
	return board_standing(s->board, scene_egress(s, egress))->score;
}
