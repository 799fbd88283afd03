/*
 * test_view.c - views are whole, whoever reads them while facts change
 *
 * What this finds it finds under the thread and address sanitizers.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "scene.h"

#define MX1	"203.0.113.7"
#define READERS	4
#define CHANGES	600

/* The daemon is told to read one and the other in turn. */
static const char *const confs[] = {
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; } );\n"
	"domains = [\"shop.example\"];\n"
	"lists = ( { zone = \"bl.example\"; } );\n",
	"egress = ( { name = \"mx2\"; addresses = \"203.0.113.8\"; },\n"
	"  { name = \"mx1\"; addresses = \"" MX1 "\"; } );\n"
	"lists = ( { zone = \"other.example\"; }, "
	"{ zone = \"bl.example\"; } );\n",
};

static struct scene s;
static atomic_bool done;
static atomic_uint decided;

/* A view agrees with itself. */
static bool
is_whole(const struct view *v)
{
	size_t i;

	if (v->policy->egress_count == 0 ||
	    v->policy->egress[0].name[0] != 'm')
		return false;
	for (i = 0; i < v->policy->egress_count; i++) {
		if (v->egress[i].state == STATE_STOPPED &&
		    v->egress[i].listing_count > 0 &&
		    (v->egress[i].zone == NULL ||
		    strcmp(v->egress[i].zone, "bl.example") != 0))
			return false;
	}
	for (i = 1; i < v->override_count; i++) {
		if (strcmp(v->overrides[i - 1].target,
		    v->overrides[i].target) >= 0)
			return false;
	}
	return true;
}

static void *
reader(void *arg)
{
	char sender[40], text[VERDICT_TEXT_MAX];
	struct envelope env = { .sender = sender,
	    .recipient = "bob@example.net", .account = "user7" };
	uint64_t last = 0;
	bool *whole = arg;
	unsigned int i;

	for (i = 0; !atomic_load(&done); i++) {
		const struct view *v = board_view_get(s.board);
		struct verdict d;

		snprintf(sender, sizeof(sender), "user%u@shop.example", i);
		d = decide(v, &env, SCENE_START);
		verdict_text(v, &d, text);
		/* Nobody sees an older view after a newer one. */
		if (!is_whole(v) || v->generation < last)
			*whole = false;
		last = v->generation;
		view_put(v);
		atomic_fetch_add(&decided, 1);
	}
	return NULL;
}

static void
change(int i)
{
	char target[40];

	snprintf(target, sizeof(target), "account:user%d", i % 50);
	scene_override(&s, target, i % 3 == 0 ? WORD_STOP : i % 3 == 1 ?
	    WORD_SEND : WORD_NONE, 0, "a reason");
	if (i % 4 == 0)
		scene_list(&s, MX1, "bl.example", "127.0.0.2");
	else if (i % 4 == 2)
		scene_delist(&s, MX1, "bl.example");
	if (i % 10 == 9)
		scene_reload(&s, confs[i / 10 % 2]);
	scene_hush(&s);
}

static void
test_readers(void **state)
{
	pthread_t threads[READERS];
	bool whole[READERS];
	unsigned int seen;
	int i;

	(void)state;
	scene_open(&s, confs[0]);
	for (i = 0; i < READERS; i++) {
		whole[i] = true;
		assert_int_equal(pthread_create(&threads[i], NULL, reader,
		    &whole[i]), 0);
	}
	for (i = 0; i < CHANGES; i++) {
		seen = atomic_load(&decided);
		change(i);
		/* Somebody reads between two changes. */
		while (i % 50 == 0 && atomic_load(&decided) == seen)
			sched_yield();
	}
	atomic_store(&done, true);
	for (i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(whole[i]);
	}
	assert_true(atomic_load(&decided) > READERS);
	scene_close(&s);
}

static void
test_old_view_lives(void **state)
{
	struct envelope env = { .sender = "ann@example.org",
	    .recipient = "bob@example.net" };
	const struct view *old, *new;
	char text[VERDICT_TEXT_MAX];
	struct verdict d;

	(void)state;
	scene_open(&s, confs[0]);
	scene_list(&s, MX1, "bl.example", "127.0.0.2");
	old = board_view_get(s.board);
	scene_delist(&s, MX1, "bl.example");
	scene_pass(&s, DAY);
	scene_reload(&s, confs[1]);
	new = board_view_get(s.board);
	assert_true(new->generation > old->generation);
	assert_int_equal(old->policy->egress_count, 1);
	assert_int_equal(new->policy->egress_count, 2);
	scene_close(&s);
	/* The board is gone, the views are not. */
	d = decide(old, &env, SCENE_START);
	assert_int_equal(d.act, ACT_TEMPFAIL);
	unit_says(verdict_text(old, &d, text), MX1);
	view_put(old);
	assert_int_equal(decide(new, &env, SCENE_START).act, ACT_PASS);
	view_put(new);
}

static void
test_shared_view(void **state)
{
	const struct view *a, *b;

	(void)state;
	scene_open(&s, confs[0]);
	a = board_view_get(s.board);
	b = board_view_get(s.board);
	assert_ptr_equal(a, b);		/* no copy each */
	/* Publishing what has not changed is the same view. */
	board_publish(s.board);
	scene_tick(&s);
	view_put(b);
	b = board_view_get(s.board);
	assert_ptr_equal(a, b);
	view_put(a);
	view_put(b);
	scene_close(&s);
}

static void
test_unpublished(void **state)
{
	struct override o = { .target = "all", .word = WORD_STOP };
	const struct view *v;
	const char *why;

	(void)state;
	scene_open(&s, confs[0]);
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	v = board_view_get(s.board);
	assert_int_equal(v->override_count, 0);
	view_put(v);
	board_publish(s.board);
	v = board_view_get(s.board);
	assert_int_equal(v->override_count, 1);
	view_put(v);
	scene_close(&s);
}

int
main(void)
{
	unit_claim("readers on other threads always see a whole view",
	    test_readers);
	unit_claim("a view outlives changes, its policy and the board",
	    test_old_view_lives);
	unit_claim("one view serves all until something changes",
	    test_shared_view);
	unit_claim("a change is seen when it is published",
	    test_unpublished);
	return unit_run("view");
}
