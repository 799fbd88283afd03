/*
 * test_many.c - thousands of egresses and of listings
 *
 * What the event loop does after each change may grow with their number, but
 * not with its square: eight times as many cost about eight times as much,
 * and a square would cost 64 times as much.  Processor time is compared, the
 * least of some tries, so that a busy machine changes nothing.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "core/incident.h"
#include "scene.h"

#define FEW		750
#define MANY		(8 * FEW)
#define MOST_TIMES	30
#define TRIES		5
#define ROUNDS		10

static struct scene s;
static struct incidents *book;

static void
address_of(size_t i, char buf[20])
{
	snprintf(buf, 20, "11.0.%zu.%zu", i >> 8, i & 255);
}

/* So many egresses, all in one pool; every one is listed if that is
 * wanted, for too little to be stopped. */
static void
open_scene(size_t count, bool listed)
{
	char *conf, addr[20];
	size_t len, i;
	FILE *f = open_memstream(&conf, &len);

	assert_non_null(f);
	fprintf(f, "lists = ( { zone = \"bl.example\"; weight = 1; "
	    "answers = ( { code = \"127.0.0.2\"; means = \"listed\"; } ); "
	    "} );\negress = (");
	for (i = 0; i < count; i++) {
		address_of(i, addr);
		fprintf(f, "%s{ name = \"m%zu\"; addresses = \"%s\"; }",
		    i > 0 ? ",\n" : " ", i, addr);
	}
	fprintf(f, " );\n");
	assert_int_equal(fclose(f), 0);
	scene_open(&s, conf);
	free(conf);
	for (i = 0; i < count && listed; i++) {
		struct answer_seen a = { .kind = ANS_LISTED,
		    .code = 0x7f000002, .weight = 1 };

		board_answer(s.board, i, 0, &a, false, s.now_ms);
		board_answer(s.board, i, 0, &a, true, s.now_ms);
	}
	assert_int_equal(board_listing_count(s.board), listed ? count : 0);
	board_publish(s.board);
}

static int
close_all(void **state)
{
	(void)state;
	incidents_free(book);
	book = NULL;
	scene_close(&s);
	return 0;
}

static double
seconds_of(void (*what)(void))
{
	double took, least = 0;
	clock_t began;
	int i, k;

	for (i = 0; i < TRIES; i++) {
		began = clock();
		for (k = 0; k < ROUNDS; k++)
			what();
		took = (double)(clock() - began) / CLOCKS_PER_SEC;
		if (i == 0 || took < least)
			least = took;
	}
	return least;
}

static void
compare(void (*what)(void), bool listed)
{
	double few, many;

	open_scene(FEW, listed);
	few = seconds_of(what);
	close_all(NULL);
	open_scene(MANY, listed);
	many = seconds_of(what);
	if (many > few * MOST_TIMES)
		fail_msg("%d take %.1f ms, %d take %.1f ms", FEW, few * 1000,
		    MANY, many * 1000);
}

static void
tick(void)
{
	s.now_ms += BOARD_BEAT_MS;
	board_tick(s.board, s.now_ms);
}

static void
test_tick(void **state)
{
	(void)state;
	compare(tick, false);
}

/* All of them are news to the book, and then known to it. */
static void
look(void)
{
	static const struct incident_counts none;
	static int times;

	incidents_free(book);
	book = incidents_new();
	assert_true(incidents_update(book, s.board, &none, s.now_ms));
	board_text(s.board, 0, 0, times++ % 2 == 0 ? "one" : "other");
	board_publish(s.board);
	assert_true(incidents_update(book, s.board, &none, s.now_ms));
	assert_int_equal(incidents_current(book)->listing_count,
	    board_listing_count(s.board));
}

static void
test_incident(void **state)
{
	(void)state;
	compare(look, true);
}

int
main(void)
{
	unit_around(NULL, close_all);
	unit_claim("the board's tick asks each pool once", test_tick);
	unit_claim("an incident finds its listings without comparing all",
	    test_incident);
	return unit_run("many");
}
