/*
 * test_statefile.c - what must survive a restart
 */
#include "unit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "scene.h"
#include "store/statefile.h"

#define DEADLINE_MS	20000
#define MX1		"203.0.113.7"
#define MX2		"203.0.113.8"
#define BAD		"127.0.0.2"

#define CONF \
	"egress = ( { name = \"mx1\"; addresses = [\"" MX1 \
	"\", \"2001:db8::7\"]; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; },\n" \
	"  { name = \"mx3\"; addresses = \"203.0.113.9\"; } );\n" \
	"domains = [\"shop.example\"];\n" \
	"lists = ( { zone = \"bl.example\"; lists = [\"ipv4\", \"ipv6\"];\n" \
	"    answers = ( { code = \"127.0.0.2\"; means = \"listed\"; " \
	"name = \"SBL \\xe4\"; } ); },\n" \
	"  { zone = \"less.example\"; weight = 40; },\n" \
	"  { zone = \"dbl.example\"; lists = \"domains\"; } );\n"

/* --- the log, instead of standard error --------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[16384];

static void
keep(const char *fmt, va_list ap)
{
	size_t at;
	int saved = errno;

	pthread_mutex_lock(&log_lock);
	at = strlen(logged);
	vsnprintf(logged + at, sizeof(logged) - at, fmt, ap);
	pthread_mutex_unlock(&log_lock);
	errno = saved;
}

#define LOGGER(name) \
void \
name(const char *fmt, ...) \
{ \
	va_list ap; \
\
	va_start(ap, fmt); \
	keep(fmt, ap); \
	va_end(ap); \
}

LOGGER(log_debug)
LOGGER(log_info)
LOGGER(log_warn)
LOGGER(log_warnx)

void
fatal(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void
fatalx(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

/* --- a place ------------------------------------------------------------ */

static struct scene a, b;	/* before and after the restart */
static struct statefile *state_file;
static const char *path;
static int place;

static int
open_place(void **state)
{
	char name[32];

	(void)state;
	snprintf(name, sizeof(name), "place%d", ++place);
	path = unit_file(name, NULL);
	logged[0] = '\0';
	return 0;
}

static int
close_place(void **state)
{
	(void)state;
	unit_rights_back();
	statefile_close(state_file, DEADLINE_MS);
	state_file = NULL;
	if (a.board != NULL)
		scene_close(&a);
	if (b.board != NULL)
		scene_close(&b);
	return 0;
}

/* The path with something behind it; good for the test. */
static const char *
beside(const char *suffix)
{
	static char paths[4][300];
	static int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s%s", path, suffix);
	return p;
}

static bool
exists(const char *p)
{
	return access(p, F_OK) == 0;
}

static void
put(const char *where, const char *text, size_t len)
{
	FILE *f = fopen(where, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
open_file(void)
{
	const char *why;

	state_file = statefile_open(path, &why);
	if (state_file == NULL)
		fail_msg("%s", why);
}

static void
close_file(void)
{
	statefile_close(state_file, DEADLINE_MS);
	state_file = NULL;
}

/* Writes the state of a, and sees that it is written. */
static void
save(void)
{
	open_file();
	statefile_save(state_file, a.board);
	close_file();
	assert_true(exists(path));
}

static char	*parts[STATEFILE_PARTS];	/* that the last load gave */

static bool
restart(const char *conf)
{
	bool ok;

	scene_open(&b, conf);
	b.now_ms = a.board != NULL ? a.now_ms : SCENE_START;
	free(parts[STATEFILE_STORE]);
	free(parts[STATEFILE_INCIDENTS]);
	ok = statefile_load(path, b.board, b.now_ms, parts);
	scene_tick(&b);
	return ok;
}

/* mx1 stopped and listed, mx2 stopped and waiting, mx3 on probation, a
 * domain stopped, words of three kinds. */
/* As after a restart, until a list is seen. */
static void
not_seen_yet(void)
{
	struct standing mx3 = *board_standing(a.board, 2);

	mx3.unseen_ms = a.now_ms - MINUTE;
	board_restore_standing(a.board, 2, &mx3);
}

static void
everything(void)
{
	struct standing mx3;

	scene_open(&a, CONF);
	/* Used on and off, and one that nobody ever used. */
	mx3 = *board_standing(a.board, 2);
	mx3.usual = (struct usual){ .per_hour = 1234.0625, .hours = 17 };
	mx3.fresh = true;
	board_restore_standing(a.board, 2, &mx3);
	scene_list(&a, "203.0.113.9", "bl.example", BAD);
	scene_delist(&a, "203.0.113.9", "bl.example");
	scene_pass(&a, 20 * MINUTE);
	scene_list(&a, MX2, "bl.example", BAD);
	scene_delist(&a, MX2, "bl.example");
	scene_list(&a, MX1, "bl.example", BAD);
	scene_list(&a, "2001:db8::7", "bl.example", BAD);
	scene_list(&a, MX1, "less.example", BAD);
	scene_list(&a, "shop.example", "dbl.example", BAD);
	board_text(a.board, (size_t)board_find_subject(a.board, MX1), 0,
	    "see https://bl.example/?q=\"7\"");
	scene_override(&a, "account:ann", WORD_STOP, HOUR,
	    "J\xc3\xbcrg \"said\" so\n");
	scene_override(&a, "mx3", WORD_SEND, 0, "");
	scene_override(&a, "domain:example.org", WORD_STOP, 2 * HOUR, "x");
	assert_int_equal(scene_state(&a, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&a, "mx2"), STATE_STOPPED);
	assert_int_equal(scene_state(&a, "mx3"), STATE_PROBATION);
	not_seen_yet();
}

static void
same_standing(const struct standing *x, const struct standing *y)
{
	assert_int_equal(x->state, y->state);
	assert_int_equal(x->since_ms, y->since_ms);
	assert_int_equal(x->until_ms, y->until_ms);
	assert_int_equal(x->clean_since_ms, y->clean_since_ms);
	assert_int_equal(x->resumed_ms, y->resumed_ms);
	assert_int_equal(x->relapses, y->relapses);
	assert_int_equal(x->score, y->score);
	assert_int_equal(x->stopped_ms, y->stopped_ms);
	assert_int_equal(x->unseen_ms, y->unseen_ms);
	assert_int_equal(x->usual.hours, y->usual.hours);
	assert_true(x->usual.per_hour == y->usual.per_hour);
	assert_int_equal(x->fresh, y->fresh);
}

static const struct listing *
listing_of(const struct scene *s, const struct listing *like)
{
	size_t i;

	for (i = 0; i < board_listing_count(s->board); i++) {
		const struct listing *l = board_listing(s->board, i);

		if (l->subject == like->subject && l->list == like->list)
			return l;
	}
	fail_msg("a listing is lost");
	return NULL;
}

static void
same_boards(void)
{
	size_t i;

	for (i = 0; i < 3; i++)
		same_standing(board_standing(b.board, i),
		    board_standing(a.board, i));
	same_standing(board_domain_standing(b.board, 0),
	    board_domain_standing(a.board, 0));
	assert_int_equal(board_listing_count(b.board),
	    board_listing_count(a.board));
	for (i = 0; i < board_listing_count(a.board); i++) {
		const struct listing *x = board_listing(a.board, i);
		const struct listing *y = listing_of(&b, x);

		assert_true(y->confirmed);
		assert_int_equal(y->seen.kind, x->seen.kind);
		assert_int_equal(y->seen.code, x->seen.code);
		assert_int_equal(y->seen.weight, x->seen.weight);
		assert_string_equal(y->seen.name, x->seen.name);
		assert_string_equal(y->text, x->text);
		assert_int_equal(y->first_ms, x->first_ms);
		assert_int_equal(y->since_ms, x->since_ms);
	}
	assert_int_equal(board_override_count(b.board),
	    board_override_count(a.board));
	for (i = 0; i < board_override_count(a.board); i++) {
		const struct override *x = board_get_override(a.board, i);
		const struct override *y = board_get_override(b.board, i);

		assert_string_equal(y->target, x->target);
		assert_int_equal(y->word, x->word);
		assert_int_equal(y->until_ms, x->until_ms);
		assert_string_equal(y->source, x->source);
	}
}

/* --- there and back ----------------------------------------------------- */

static void
test_round_trip(void **state)
{
	(void)state;
	everything();
	save();
	assert_true(restart(CONF));
	same_boards();
	assert_string_equal(board_get_override(b.board, 0)->reason,
	    "J??rg \"said\" so");
	assert_true(strstr(logged, "4 listings, 3 overrides") != NULL);
}

static void
test_goes_on(void **state)
{
	(void)state;
	everything();
	save();
	assert_true(restart(CONF));
	scene_pass_silently(&b, 30 * DAY);
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&b, "mx2"), STATE_STOPPED);
	scene_sweep(&b);
	scene_tick(&b);
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&b, "mx2"), STATE_PROBATION);
	scene_delist(&b, MX1, "bl.example");
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
}

static void
test_first_start(void **state)
{
	(void)state;
	assert_true(restart(CONF));
	assert_int_equal(board_listing_count(b.board), 0);
	assert_int_equal(board_override_count(b.board), 0);
	assert_int_equal(scene_state(&b, "mx1"), STATE_SENDING);
}

/* What the file does not know came while the daemon was away; at the very
 * first start all is taken as it is. */
static void
test_fresh(void **state)
{
	(void)state;
	scene_open(&a, "egress = ( { name = \"mx1\"; addresses = \"" MX1
	    "\"; } );\nlists = ( { zone = \"bl.example\"; } );\n");
	assert_false(board_standing(a.board, 0)->fresh);
	save();
	assert_true(restart(CONF));
	assert_false(board_standing(b.board, 0)->fresh);
	assert_true(board_standing(b.board, 1)->fresh);
	assert_true(board_standing(b.board, 2)->fresh);
	scene_close(&b);
	assert_int_equal(unlink(path), 0);
	assert_true(restart(CONF));
	assert_false(board_standing(b.board, 1)->fresh);
}

/* A file of the version before knows nothing of volumes. */
static void
test_without_volumes(void **state)
{
	static const char text[] = "{\"mailbrake\": 1, \"egress\": ["
	    "{\"name\": \"mx1\", \"state\": \"stopped\", \"since\": 5, "
	    "\"until\": 0, \"clean_since\": 0, \"resumed\": 0, "
	    "\"relapses\": 3}, {\"name\": \"mx2\", \"state\": \"sending\"}, "
	    "{\"name\": \"mx3\", \"state\": \"sending\"}]}";

	(void)state;
	put(path, text, strlen(text));
	assert_true(restart(CONF));
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_int_equal(board_standing(b.board, 0)->relapses, 3);
	assert_int_equal(board_standing(b.board, 0)->stopped_ms, 0);
	assert_int_equal(board_standing(b.board, 0)->usual.hours, 0);
	assert_false(board_standing(b.board, 1)->fresh);
}

/* Numbers that nobody can have written do not take the state with them. */
static void
test_hostile_volumes(void **state)
{
	static const char text[] = "{\"mailbrake\": 1, \"egress\": ["
	    "{\"name\": \"mx1\", \"state\": \"stopped\", "
	    "\"per_hour\": 1e308, \"hours\": 24}, "
	    "{\"name\": \"mx2\", \"state\": \"probation\", "
	    "\"per_hour\": -5, \"hours\": 24}, "
	    "{\"name\": \"mx3\", \"state\": \"stopped\", "
	    "\"per_hour\": 100, \"hours\": -1}]}";

	(void)state;
	put(path, text, strlen(text));
	assert_true(restart(CONF));
	/* Past the hours that such a number would be learned from. */
	scene_override(&b, "all", WORD_SEND, 0, "");
	scene_pass_silently(&b, 3 * HOUR);
	scene_close(&a);
	a = b;
	b = (struct scene){ .board = NULL };
	save();
	assert_true(restart(CONF));
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&b, "mx2"), STATE_PROBATION);
	assert_int_equal(scene_state(&b, "mx3"), STATE_STOPPED);
}

static void
test_suspicion_is_not_kept(void **state)
{
	(void)state;
	scene_open(&a, CONF);
	scene_answer(&a, MX1, "bl.example", BAD, false);
	scene_tick(&a);
	save();
	assert_true(restart(CONF));
	assert_int_equal(board_listing_count(b.board), 0);
}

static void
test_word_that_ended(void **state)
{
	(void)state;
	everything();
	save();
	a.now_ms += HOUR + 1;
	assert_true(restart(CONF));
	assert_int_equal(board_override_count(b.board), 2);
	assert_string_equal(board_get_override(b.board, 0)->target,
	    "domain:example.org");
}

/* --- the file ----------------------------------------------------------- */

static void
test_mode(void **state)
{
	struct stat st;
	mode_t mask = umask(022);

	(void)state;
	everything();
	save();
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_false(exists(beside(".tmp")));
	assert_false(exists(beside(".bad")));
}

static void
test_no_needless_write(void **state)
{
	struct stat before, after;

	(void)state;
	everything();
	open_file();
	statefile_save(state_file, a.board);
	close_file();
	assert_int_equal(stat(path, &before), 0);
	open_file();
	statefile_save(state_file, a.board);
	close_file();
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(after.st_ino, before.st_ino);
	open_file();
	statefile_save(state_file, a.board);
	/* Nothing has changed; answers alone are no change. */
	a.now_ms += MINUTE;
	scene_sweep(&a);
	scene_tick(&a);
	statefile_save(state_file, a.board);
	close_file();
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(stat(beside(".old"), &after), 0);
	/* One write, so the one before is that of the last start. */
	assert_int_not_equal(after.st_ino, before.st_ino);
}

static void
test_one_before(void **state)
{
	char *text, *old;

	(void)state;
	everything();
	save();
	text = unit_read(path);
	scene_override(&a, "all", WORD_STOP, 0, "now");
	save();
	old = unit_read(beside(".old"));
	assert_non_null(old);
	assert_string_equal(old, text);
	free(old);
	free(text);
}

static void
test_newest_wins(void **state)
{
	int i;

	(void)state;
	everything();
	open_file();
	for (i = 0; i < 200; i++) {
		char reason[32];

		snprintf(reason, sizeof(reason), "number %d", i);
		scene_override(&a, "all", WORD_STOP, 0, reason);
		statefile_save(state_file, a.board);
	}
	close_file();
	assert_true(restart(CONF));
	assert_string_equal(board_get_override(b.board, 1)->target, "all");
	assert_string_equal(board_get_override(b.board, 1)->reason,
	    "number 199");
}

/* --- damage ------------------------------------------------------------- */

/* Cut anywhere, the one before it is used. */
static void
test_truncated(void **state)
{
	char *text;
	size_t len, whole;

	(void)state;
	everything();
	save();
	text = unit_read(path);
	assert_non_null(text);
	whole = strlen(text);
	put(beside(".old"), text, whole);
	for (len = 0; len < whole; len += len < whole - 40 ? 37 : 1) {
		/* What is cut is only the line end. */
		if (text[len] == '\0' || strspn(text + len, " \n") ==
		    whole - len)
			break;
		put(path, text, len);
		logged[0] = '\0';
		assert_false(restart(CONF));
		same_boards();
		unit_says(logged, "cannot be used");
		unit_says(logged, "the one before it is used");
		assert_true(exists(beside(".bad")));
		scene_close(&b);
	}
	free(text);
}

static const struct damage_row {
	const char	*claim;
	const char	*text;
	bool		 usable;	/* as far as it goes */
} damage_rows[] = {
	{ "an empty file", "", false },
	{ "another file", "mailbrake\n", false },
	{ "JSON that is no object", "[1, 2]", false },
	{ "JSON of something else", "{\"a\": 1}", false },
	{ "a later version", "{\"mailbrake\": 2}", false },
	{ "a version that is a string", "{\"mailbrake\": \"1\"}", false },
	{ "JSON with words behind it", "{\"mailbrake\": 1} x", false },
	{ "bytes that are no UTF-8",
	    "{\"mailbrake\": 1, \"x\": \"\xff\xfe\"}", false },
	{ "a depth without end", NULL, false },
	{ "nothing but its version", "{\"mailbrake\": 1}", true },
	{ "lists that are none", "{\"mailbrake\": 1, \"egress\": 5, "
	    "\"listings\": \"x\", \"overrides\": {\"a\": 1}, "
	    "\"domains\": null}", true },
	{ "rows that are none", "{\"mailbrake\": 1, \"egress\": [1, null, "
	    "[], \"mx1\"], \"listings\": [true, {}], \"overrides\": [{}, "
	    "[]], \"domains\": [{}]}", true },
	{ "fields of wrong types", "{\"mailbrake\": 1, \"egress\": [{"
	    "\"name\": 7, \"state\": \"stopped\"}, {\"name\": \"mx1\", "
	    "\"state\": 1}, {\"name\": \"mx1\", \"state\": \"halted\"}], "
	    "\"listings\": [{\"subject\": [], \"zone\": {}, \"kind\": 3}], "
	    "\"overrides\": [{\"target\": 5, \"word\": \"stop\"}, "
	    "{\"target\": \"all\", \"word\": \"auto\"}, "
	    "{\"target\": \"a b\", \"word\": \"stop\"}]}", true },
	{ "names that are too long", NULL, true },
};

static char *
damaged_text(const struct damage_row *r)
{
	char *text = xcalloc(1, 300000);

	if (r->text != NULL) {
		strcpy(text, r->text);
	} else if (!r->usable) {
		memset(text, '[', 200000);
	} else {
		strcpy(text, "{\"mailbrake\": 1, \"overrides\": [{"
		    "\"word\": \"stop\", \"target\": \"");
		memset(text + strlen(text), 'a', 100000);
		strcat(text, "\", \"reason\": \"");
		memset(text + strlen(text), 'b', 100000);
		strcat(text, "\"}]}");
	}
	return text;
}

static void
test_damage(void **state)
{
	const struct damage_row *r = *state;
	char *text = damaged_text(r);

	put(path, text, strlen(text));
	free(text);
	assert_int_equal(restart(CONF), r->usable);
	assert_int_equal(exists(beside(".bad")), !r->usable);
	assert_int_equal(scene_state(&b, "mx1"), STATE_SENDING);
	assert_int_equal(board_listing_count(b.board), 0);
	if (!r->usable)
		unit_says(logged, "check now what should be stopped");
}

static void
test_gone(void **state)
{
	(void)state;
	everything();
	save();
	/* As after a damaged file was put aside, and a crash before the next
	 * was written. */
	assert_int_equal(rename(path, beside(".old")), 0);
	assert_false(restart(CONF));
	same_boards();
	unit_says(logged, "is gone");
	assert_false(exists(beside(".bad")));
}

/* With the damaged file put aside, the one before it is all there is: it
 * goes only when there is a new one. */
static void
test_old_stays_until_replaced(void **state)
{
	char *text;

	(void)state;
	everything();
	save();
	assert_int_equal(rename(path, beside(".old")), 0);
	put(path, "{", 1);
	assert_false(restart(CONF));
	assert_false(exists(path));
	text = unit_read(beside(".old"));
	save();
	assert_true(exists(path));
	assert_true(exists(beside(".old")));
	free(text);
}

static void
test_leftover(void **state)
{
	(void)state;
	everything();
	put(beside(".tmp"), "{ half", 6);
	put(beside(".old.new"), "{ half", 6);
	save();
	save();
	assert_true(restart(CONF));
	same_boards();
	assert_false(exists(beside(".tmp")));
	assert_false(exists(beside(".old.new")));
}

/* Killed between writing and the file's new name: the newest counts, but
 * only a whole one, and only beside one that is in place. */
static void
test_unfinished(void **state)
{
	struct stat st;
	char *text;
	size_t len;

	(void)state;
	everything();
	save();
	scene_override(&a, "all", WORD_STOP, 0, "the last moment");
	not_seen_yet();
	save();
	text = unit_read(path);
	len = strlen(text);
	assert_int_equal(rename(beside(".old"), path), 0);
	put(beside(".tmp"), text, len - 2);
	assert_true(restart(CONF));
	assert_int_equal(board_override_count(b.board),
	    board_override_count(a.board) - 1);
	scene_close(&b);
	put(beside(".tmp"), text, len);
	assert_true(restart(CONF));
	same_boards();
	unit_says(logged, "not in place yet");
	assert_false(exists(beside(".tmp")));
	assert_true(exists(beside(".old")));
	scene_close(&b);
	/* Somebody's link or pipe is nothing that we have left. */
	assert_int_equal(mkfifo(beside(".tmp"), 0600), 0);
	assert_true(restart(CONF));
	assert_int_equal(lstat(beside(".tmp"), &st), 0);
	scene_close(&b);
	assert_int_equal(unlink(beside(".tmp")), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(beside(".old")), 0);
	put(beside(".tmp"), text, len);
	assert_true(restart(CONF));
	assert_int_equal(board_override_count(b.board), 0);
	free(text);
}

static uint64_t
let_out(const struct scene *s, size_t egress)
{
	const struct view *v = board_view_get(s->board);
	uint64_t n = v->policy->egress[egress].traffic->delivered -
	    v->egress[egress].delivered_before;

	view_put(v);
	return n;
}

/* A restart gives no new canaries, and takes no proof away but what is
 * rounded; what others than a probation counted is not kept. */
static void
test_probation(void **state)
{
	static const char hostile[] = "{\"mailbrake\": 1, \"egress\": ["
	    "{\"name\": \"mx3\", \"state\": \"probation\", "
	    "\"accepted\": -1, \"let_out\": 9000000000000000000}]}";
	struct stat first, second;
	uint64_t n;

	(void)state;
	everything();
	board_policy(a.board)->egress[2].traffic->delivered = 7;
	board_policy(a.board)->egress[0].traffic->delivered = 9;
	scene_tick(&a);
	save();
	assert_true(restart(CONF));
	assert_int_equal(let_out(&b, 2), 7);
	assert_int_equal(board_volume(b.board, 2)->accepted, 7);
	assert_int_equal(let_out(&b, 0), 0);
	scene_close(&b);
	board_policy(a.board)->egress[2].traffic->delivered = 1001;
	scene_tick(&a);
	save();
	assert_true(restart(CONF));
	n = let_out(&b, 2);
	assert_true(n >= 1001 && n <= 1001 * 9 / 8);
	n = board_volume(b.board, 2)->accepted;
	assert_true(n <= 1001 && n >= 1001 * 7 / 8);
	/* Counting goes on from there; a few more are no news. */
	n = let_out(&b, 2);
	board_policy(b.board)->egress[2].traffic->delivered++;
	assert_int_equal(let_out(&b, 2), n + 1);
	open_file();
	statefile_save(state_file, a.board);
	assert_true(statefile_wait(state_file, DEADLINE_MS));
	assert_int_equal(stat(path, &first), 0);
	board_policy(a.board)->egress[2].traffic->delivered++;
	scene_tick(&a);
	statefile_save(state_file, a.board);
	close_file();
	assert_int_equal(stat(path, &second), 0);
	assert_int_equal(second.st_ino, first.st_ino);
	scene_close(&b);
	put(path, hostile, strlen(hostile));
	assert_true(restart(CONF));
	assert_int_equal(let_out(&b, 2), 0);
	assert_int_equal(board_volume(b.board, 2)->accepted, 0);
}

/* --- another configuration ---------------------------------------------- */

static void
test_changed_conf(void **state)
{
	(void)state;
	everything();
	save();
	/* mx2 and a list are gone, mx1 has lost an address, mx4 is new. */
	assert_true(restart("egress = ( { name = \"mx4\"; addresses = "
	    "\"192.0.2.1\"; },\n"
	    "  { name = \"mx1\"; addresses = \"" MX1 "\"; } );\n"
	    "lists = ( { zone = \"less.example\"; weight = 40; },\n"
	    "  { zone = \"bl.example\"; } );\n"));
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_score(&b, "mx1"), 140);
	assert_int_equal(scene_state(&b, "mx4"), STATE_SENDING);
	assert_int_equal(board_listing_count(b.board), 2);
	assert_int_equal(board_override_count(b.board), 3);
}

static void
test_renamed_egress(void **state)
{
	(void)state;
	everything();
	save();
	assert_true(restart("egress = ( { name = \"out\"; addresses = \"" MX1
	    "\"; } );\nlists = ( { zone = \"bl.example\"; } );\n"));
	/* The address is listed, whatever the egress is called. */
	assert_int_equal(scene_state(&b, "out"), STATE_STOPPED);
}

static void
test_list_of_other_kind(void **state)
{
	(void)state;
	everything();
	save();
	assert_true(restart(
	    "egress = ( { name = \"mx1\"; addresses = \"2001:db8::7\"; } );\n"
	    "lists = ( { zone = \"bl.example\"; lists = \"ipv4\"; } );\n"));
	assert_int_equal(board_listing_count(b.board), 0);
}

/* --- what cannot be written --------------------------------------------- */

/* Waits until there is an error, or none. */
static void
error_becomes(bool wanted)
{
	struct timespec pause = { 0, 1000000 };
	char error[200];
	int i;

	for (i = 0; i < DEADLINE_MS; i++) {
		statefile_error(state_file, error, sizeof(error));
		if ((error[0] != '\0') == wanted)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("the error is \"%s\"", error);
}

static void
say_what_is_new(void)
{
	static int n;
	char reason[32];

	snprintf(reason, sizeof(reason), "news %d", n++);
	scene_override(&a, "all", WORD_STOP, 0, reason);
	statefile_save(state_file, a.board);
}

/* The file stays as it was, the error is told, and then it works again. */
static void
fails_until(void (*mend)(void))
{
	char error[200], *before, *after;

	before = unit_read(path);
	say_what_is_new();
	error_becomes(true);
	statefile_error(state_file, error, sizeof(error));
	unit_says(logged, "cannot be written");
	after = unit_read(path);
	assert_int_equal(before == NULL, after == NULL);
	if (before != NULL)
		assert_string_equal(after, before);
	free(after);
	free(before);
	mend();
	say_what_is_new();
	error_becomes(false);
	unit_says(logged, "written again");
	close_file();
	assert_true(restart(CONF));
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
	assert_true(board_override_count(b.board) > 0);
}

static void
nothing(void)
{
}

/* The new file ends on a device that is always full; a failed one is
 * removed, so that the next try is on the disk. */
static void
test_full_disk(void **state)
{
	(void)state;
	if (!exists("/dev/full"))
		skip();
	everything();
	save();
	assert_int_equal(symlink("/dev/full", beside(".tmp")), 0);
	open_file();
	fails_until(nothing);
}

static void
limit(rlim_t size)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

static void
unlimited(void)
{
	limit(RLIM_INFINITY);
}

/* A part is written, and then no more. */
static void
test_disk_fills(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	everything();
	save();
	open_file();
	limit(100);
	fails_until(unlimited);
}

static void
make_directory(void)
{
	char *dir = xstrdup(path);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(mkdir(dir, 0755), 0);
	free(dir);
}

static void
test_no_directory(void **state)
{
	char name[32];

	(void)state;
	snprintf(name, sizeof(name), "later%d/state", place);
	path = unit_file(name, NULL);
	everything();
	/* Nothing can be locked either, and that is no reason to stop. */
	open_file();
	unit_says(logged, "cannot be created");
	fails_until(make_directory);
}

static void
close_directory(mode_t mode)
{
	char *dir = xstrdup(path);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(chmod(dir, mode), 0);
	free(dir);
}

static void
open_directory(void)
{
	unit_rights_back();
	close_directory(0755);
}

static void
test_unwritable(void **state)
{
	char name[32];

	(void)state;
	everything();
	snprintf(name, sizeof(name), "closed%d/state", place);
	path = unit_file(name, NULL);
	make_directory();
	save();
	open_file();
	assert_int_equal(chmod(unit_dir(), 0755), 0);
	assert_int_equal(chmod(path, 0644), 0);
	close_directory(0555);
	unit_rights_off();
	fails_until(open_directory);
}

static void
test_close_gives_up(void **state)
{
	(void)state;
	everything();
	save();
	signal(SIGXFSZ, SIG_IGN);
	open_file();
	limit(100);
	say_what_is_new();
	error_becomes(true);
	/* One more try, and the end: nobody waits for the next. */
	close_file();
	unlimited();
	assert_true(restart(CONF));
	assert_int_equal(scene_state(&b, "mx1"), STATE_STOPPED);
}

/* A pipe without a reader hangs like a disk. */
static void
test_wait(void **state)
{
	char buf[65536];
	int fd;

	(void)state;
	everything();
	open_file();
	assert_true(statefile_wait(state_file, 0));
	statefile_save(state_file, a.board);
	assert_true(statefile_wait(state_file, DEADLINE_MS));
	assert_true(exists(path));
	assert_int_equal(mkfifo(beside(".tmp"), 0600), 0);
	scene_override(&a, "all", WORD_STOP, 0, "one more");
	statefile_save(state_file, a.board);
	assert_false(statefile_wait(state_file, 50));
	fd = open(beside(".tmp"), O_RDONLY);
	assert_int_not_equal(fd, -1);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	/* A pipe cannot be synced: that is an error, not a wait. */
	error_becomes(true);
	assert_false(statefile_wait(state_file, 60000));
	assert_true(statefile_wait(NULL, 0));
}

/* --- one at a time ------------------------------------------------------ */

static void
test_lock(void **state)
{
	const char *why = NULL;

	(void)state;
	open_file();
	assert_null(statefile_open(path, &why));
	unit_says(why, "another mailbraked uses this state file");
	close_file();
	open_file();
}

static void
test_parts(void **state)
{
	(void)state;
	scene_open(&a, CONF);
	open_file();
	statefile_keep(state_file, STATEFILE_STORE,
	    "life a b 0\nremove 0 m\"x\n");
	statefile_keep(state_file, STATEFILE_INCIDENTS, "[1]");
	statefile_save(state_file, a.board);
	/* A change of one alone is one, also of its case. */
	statefile_keep(state_file, STATEFILE_STORE, "life A b 0\n");
	statefile_save(state_file, a.board);
	close_file();
	assert_true(restart(CONF));
	assert_string_equal(parts[STATEFILE_STORE], "life A b 0\n");
	assert_string_equal(parts[STATEFILE_INCIDENTS], "[1]");
	scene_close(&b);
	open_file();
	statefile_keep(state_file, STATEFILE_STORE, NULL);
	statefile_keep(state_file, STATEFILE_INCIDENTS, "[2]");
	statefile_save(state_file, a.board);
	close_file();
	assert_true(restart(CONF));
	assert_null(parts[STATEFILE_STORE]);
	assert_string_equal(parts[STATEFILE_INCIDENTS], "[2]");
	statefile_keep(NULL, STATEFILE_STORE, "no file");
}

static void
test_none(void **state)
{
	(void)state;
	scene_open(&a, CONF);
	/* No state file is wanted. */
	statefile_save(NULL, a.board);
	statefile_close(NULL, 0);
}

int
main(void)
{
	unit_around(open_place, close_place);
	unit_claim("what was is again", test_round_trip);
	unit_claim("a restart goes on where it was, and releases nothing",
	    test_goes_on);
	unit_claim("a first start has nothing to read", test_first_start);
	unit_claim("what the file does not know is new", test_fresh);
	unit_claim("a file without volumes is good", test_without_volumes);
	unit_claim("volumes that cannot be are not believed",
	    test_hostile_volumes);
	unit_claim("what was not confirmed is not kept",
	    test_suspicion_is_not_kept);
	unit_claim("a word that ended meanwhile is not kept",
	    test_word_that_ended);
	unit_claim("the file is for its owner and group, and nothing is left",
	    test_mode);
	unit_claim("what has not changed is not written",
	    test_no_needless_write);
	unit_claim("the file before is kept", test_one_before);
	unit_claim("of many changes the last one is written",
	    test_newest_wins);
	unit_claim("cut anywhere, the file before is used", test_truncated);
	unit_rows(damage_rows, test_damage);
	unit_claim("where the file is gone the one before is used",
	    test_gone);
	unit_claim("the file before goes only when there is a new one",
	    test_old_stays_until_replaced);
	unit_claim("what a crash left behind does no harm", test_leftover);
	unit_claim("a probation goes on where it was", test_probation);
	unit_claim("what was written when it was killed counts",
	    test_unfinished);
	unit_claim("what the configuration has no more is forgotten",
	    test_changed_conf);
	unit_claim("a new name frees no listed address",
	    test_renamed_egress);
	unit_claim("what is not asked any more is forgotten",
	    test_list_of_other_kind);
	unit_claim("a full disk keeps the old file, and is tried again",
	    test_full_disk);
	unit_claim("a disk that fills keeps the old file",
	    test_disk_fills);
	unit_claim("a directory that is not there is waited for",
	    test_no_directory);
	unit_claim("a directory that is closed is waited for",
	    test_unwritable);
	unit_claim("an end is not held up by a disk", test_close_gives_up);
	unit_claim("what was handed over can be waited for", test_wait);
	unit_claim("two daemons cannot have one file", test_lock);
	unit_claim("what the other store must know is kept", test_parts);
	unit_claim("no state file is one too", test_none);
	return unit_run("statefile");
}
