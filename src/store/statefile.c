/*
 * statefile.c - what must survive a restart, in one file
 */
#include "store/statefile.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/table.h"

#define FORMAT_VERSION	1
#define RETRY_S		5
#define FILE_MODE	0640

struct statefile {
	char		*path;
	int		 lock_fd;
	bool		 saved;		/* a text was handed over, */
	uint64_t	 print;		/* with this fingerprint, */
	uint64_t	 generation;	/* of this view of the board */
	char		*parts[STATEFILE_PARTS];
	bool		 parts_changed;

	pthread_t	 thread;
	pthread_mutex_t	 mutex;		/* guards what follows */
	pthread_cond_t	 work, idle;
	char		*pending;	/* to be written; the newest wins */
	bool		 writing, closing;
	char		 error[200];
};

static const char *const part_names[] = { "store", "incidents" };

static_assert(sizeof(part_names) / sizeof(part_names[0]) ==
    STATEFILE_PARTS, "a name for every part");

/* --- files ------------------------------------------------------------- */

static bool
sync_directory(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd != -1 && fsync(fd) == 0;

	if (fd != -1)
		close(fd);
	free(copy);
	return ok;
}

/* Gives the present file a second name, where links can be made.  Where
 * there is none the one before it stays: it is all that is left. */
static void
keep_old(const char *path, const char *old)
{
	char *link_name = xasprintf("%s.new", old);

	unlink(link_name);
	if (link(path, link_name) == -1) {
		if (errno != ENOENT)
			log_debug("state file: no %s: %s", old,
			    strerror(errno));
	} else if (rename(link_name, old) == -1) {
		log_debug("state file: no %s: %s", old, strerror(errno));
	}
	unlink(link_name);
	free(link_name);
}

/* The new file takes the place of the present one.  0 or errno. */
static int
replace(const char *path, const char *tmp)
{
	char *old = xasprintf("%s.old", path);
	int saved = 0;

	keep_old(path, old);
	if (rename(tmp, path) == -1 || !sync_directory(path))
		saved = errno;
	free(old);
	return saved;
}

/* --- board -> JSON ----------------------------------------------------- */

/* Thousands of egresses: they are written one after the other, not built up
 * as one tree first. */
struct text {
	char	*s;
	size_t	 len, room;
};

static int
append(const char *s, size_t len, void *ctx)
{
	struct text *t = ctx;

	if (t->len + len + 1 > t->room) {
		t->room = (t->len + len + 1) * 3 / 2;
		t->s = xreallocarray(t->s, t->room, 1);
	}
	memcpy(t->s + t->len, s, len);
	t->len += len;
	t->s[t->len] = '\0';
	return 0;
}

static void	put(struct text *, const char *, ...)
		    __attribute__((__format__(__printf__, 2, 3)));

/* Numbers and fixed words, no strings from elsewhere. */
static void
put(struct text *t, const char *fmt, ...)
{
	char buf[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	append(buf, strlen(buf), t);
}

/* What is not UTF-8 cannot be written: it is of no use in a name or text. */
static void
put_string(struct text *t, const char *name, const char *value)
{
	json_t *j = json_string(value);

	put(t, "\"%s\": ", name);
	if (j == NULL || json_dump_callback(j, append, t, JSON_ENCODE_ANY) !=
	    0)
		append("\"\"", 2, t);
	json_decref(j);
}

/* What is not there is read as zero. */
static void
put_number(struct text *t, const char *name, int64_t value)
{
	if (value != 0)
		put(t, ", \"%s\": %lld", name, (long long)value);
}

/* jansson's way: a point, whatever the locale says. */
static void
put_real(struct text *t, const char *name, double value)
{
	json_t *j = json_real(value);

	if (j == NULL)			/* not a number: not known */
		return;
	put(t, ", \"%s\": ", name);
	json_dump_callback(j, append, t, JSON_ENCODE_ANY);
	json_decref(j);
}

static void
put_listing(struct text *t, const struct board *b, const struct listing *l)
{
	char buf[ADDR_TEXT_MAX];
	const struct policy *p = board_policy(b);

	put(t, "{");
	put_string(t, "subject", subject_text(board_subject(b, l->subject),
	    buf));
	put(t, ", ");
	put_string(t, "zone", p->lists[l->list].zone);
	put(t, ", \"kind\": \"%s\", ", answer_name(l->seen.kind));
	put_string(t, "name", l->seen.name);
	put(t, ", ");
	put_string(t, "text", l->text);
	put_number(t, "code", (int64_t)l->seen.code);
	put_number(t, "weight", l->seen.weight);
	put_number(t, "first", l->first_ms);
	put_number(t, "since", l->since_ms);
	put(t, "}");
}

/* In so few steps that counting alone seldom is a reason to write: eight for
 * each doubling. */
static uint64_t
coarse(uint64_t n, bool up)
{
	uint64_t unit = 1;

	while (n / unit >= 16)
		unit *= 2;
	return (n / unit + (up && n % unit > 0)) * unit;
}

/* volume: of an egress.  Where its probation is: rather too little proven
 * and too much let out. */
static void
put_standing(struct text *t, const char *name, const struct standing *s,
    const struct volume *volume)
{
	put(t, "{");
	put_string(t, "name", name);
	put(t, ", \"state\": \"%s\"", state_name(s->state));
	put_number(t, "since", s->since_ms);
	put_number(t, "until", s->until_ms);
	put_number(t, "clean_since", s->clean_since_ms);
	put_number(t, "resumed", s->resumed_ms);
	put_number(t, "relapses", s->relapses);
	put_number(t, "stopped", s->stopped_ms);
	put_number(t, "hours", s->usual.hours);
	if (s->usual.per_hour != 0)
		put_real(t, "per_hour", s->usual.per_hour);
	put_number(t, "unseen", s->unseen_ms);
	if (s->fresh)
		put(t, ", \"fresh\": true");
	if (volume != NULL && s->state == STATE_PROBATION) {
		put_number(t, "accepted", (int64_t)coarse(volume->accepted,
		    false));
		put_number(t, "let_out", (int64_t)coarse(volume->delivered -
		    volume->delivered_before, true));
	}
	put(t, "}");
}

static void
put_override(struct text *t, const struct override *o)
{
	char reason[BOARD_REASON_MAX];

	put(t, "{");
	put_string(t, "target", o->target);
	put(t, ", \"word\": \"%s\", ", word_name(o->word));
	put_string(t, "reason", text_clean(reason, sizeof(reason), o->reason,
	    strlen(o->reason)));
	put(t, ", ");
	put_string(t, "source", o->source);
	put_number(t, "since", o->since_ms);
	put_number(t, "until", o->until_ms);
	put(t, "}");
}

static void
begin_array(struct text *t, const char *name)
{
	put(t, ",\n\"%s\": [", name);
}

static void
next_item(struct text *t, bool *first)
{
	put(t, *first ? "\n" : ",\n");
	*first = false;
}

/* Without a time of its own, so that equal states are equal texts. */
static char *
board_json(const struct board *b, char *const parts[STATEFILE_PARTS])
{
	const struct policy *p = board_policy(b);
	struct text t = { 0 };
	bool first = true;
	size_t i;

	put(&t, "{\"mailbrake\": %d", FORMAT_VERSION);
	begin_array(&t, "egress");
	for (i = 0; i < p->egress_count; i++) {
		next_item(&t, &first);
		put_standing(&t, p->egress[i].name, board_standing(b, i),
		    board_volume(b, i));
	}
	put(&t, "]");
	begin_array(&t, "domains");
	for (first = true, i = 0; i < p->domain_count; i++) {
		next_item(&t, &first);
		put_standing(&t, p->domains[i].name,
		    board_domain_standing(b, i), NULL);
	}
	put(&t, "]");
	begin_array(&t, "listings");
	for (first = true, i = 0; i < board_listing_count(b); i++) {
		if (!board_listing(b, i)->confirmed)
			continue;
		next_item(&t, &first);
		put_listing(&t, b, board_listing(b, i));
	}
	put(&t, "]");
	begin_array(&t, "overrides");
	for (first = true, i = 0; i < board_override_count(b); i++) {
		next_item(&t, &first);
		put_override(&t, board_get_override(b, i));
	}
	put(&t, "]");
	for (i = 0; i < STATEFILE_PARTS; i++) {
		if (parts[i] == NULL)
			continue;
		put(&t, ",\n");
		put_string(&t, part_names[i], parts[i]);
	}
	put(&t, "}\n");
	return t.s;
}

/* --- JSON -> board ----------------------------------------------------- */

static const char *
string_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
integer_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
restore_listing(struct board *b, const json_t *j)
{
	struct listing l = { .confirmed = true };
	int subject = board_find_subject(b, string_of(j, "subject"));
	int list = policy_find_list(board_policy(b), string_of(j, "zone"));

	/* What the configuration no longer has is the operator's wish. */
	if (subject == -1 || list == -1 ||
	    !answer_parse(string_of(j, "kind"), &l.seen.kind))
		return;
	l.subject = (size_t)subject;
	l.list = (size_t)list;
	l.seen.code = (uint32_t)integer_of(j, "code");
	l.seen.weight = (int)integer_of(j, "weight");
	text_copy(l.seen.name, sizeof(l.seen.name), string_of(j, "name"));
	text_copy(l.text, sizeof(l.text), string_of(j, "text"));
	l.first_ms = integer_of(j, "first");
	l.since_ms = integer_of(j, "since");
	l.seen_ms = l.since_ms;
	board_restore_listing(b, &l);
}

static bool
read_standing(const json_t *j, struct standing *s)
{
	*s = (struct standing){ 0 };
	s->since_ms = integer_of(j, "since");
	s->until_ms = integer_of(j, "until");
	s->clean_since_ms = integer_of(j, "clean_since");
	s->resumed_ms = integer_of(j, "resumed");
	s->relapses = (int)integer_of(j, "relapses");
	s->stopped_ms = integer_of(j, "stopped");
	s->unseen_ms = integer_of(j, "unseen");
	s->usual.per_hour = json_number_value(json_object_get(j, "per_hour"));
	s->usual.hours = (int)integer_of(j, "hours");
	s->fresh = json_is_true(json_object_get(j, "fresh"));
	return state_parse(string_of(j, "state"), &s->state);
}

static void
restore_standing(struct board *b, const json_t *j)
{
	int egress = policy_find_egress(board_policy(b),
	    string_of(j, "name"));
	struct standing s;

	if (egress == -1 || !read_standing(j, &s))
		return;
	board_restore_standing(b, (size_t)egress, &s);
	board_restore_probation(b, (size_t)egress,
	    (uint64_t)integer_of(j, "accepted"),
	    (uint64_t)integer_of(j, "let_out"));
}

static void
restore_domain(struct board *b, const json_t *j)
{
	const struct policy *p = board_policy(b);
	struct standing s;
	size_t i;

	for (i = 0; i < p->domain_count; i++) {
		if (strcmp(p->domains[i].name, string_of(j, "name")) == 0 &&
		    read_standing(j, &s))
			board_restore_domain(b, i, &s);
	}
}

static void
restore_override(struct board *b, const json_t *j, int64_t now_ms)
{
	struct override o = { .word = WORD_NONE, .restored = true };
	const char *word = string_of(j, "word"), *why;

	o.word = strcmp(word, word_name(WORD_STOP)) == 0 ? WORD_STOP :
	    strcmp(word, word_name(WORD_SEND)) == 0 ? WORD_SEND : WORD_NONE;
	o.since_ms = integer_of(j, "since");
	o.until_ms = integer_of(j, "until");
	text_copy(o.target, sizeof(o.target), string_of(j, "target"));
	text_copy(o.reason, sizeof(o.reason), string_of(j, "reason"));
	text_copy(o.source, sizeof(o.source), string_of(j, "source"));
	if (o.word != WORD_NONE && !board_override(b, &o, now_ms, &why))
		log_warnx("state file: override \"%s\" %s", o.target, why);
}

static bool
load_one(const char *path, struct board *b, int64_t now_ms,
    char *parts[STATEFILE_PARTS], char *why, size_t why_size)
{
	json_error_t error;
	json_t *root, *j;
	size_t i;

	root = json_load_file(path, 0, &error);
	if (root == NULL || !json_is_object(root) ||
	    integer_of(root, "mailbrake") != FORMAT_VERSION) {
		snprintf(why, why_size, "%s", root == NULL ? error.text :
		    "not a state file of this version");
		json_decref(root);
		return false;
	}
	/* What was not there when this was written is new; what nothing is
	 * known of at the very first start is taken as it is. */
	for (i = 0; i < board_policy(b)->egress_count; i++)
		board_set_fresh(b, i);
	json_array_foreach(json_object_get(root, "egress"), i, j)
		restore_standing(b, j);
	json_array_foreach(json_object_get(root, "domains"), i, j)
		restore_domain(b, j);
	json_array_foreach(json_object_get(root, "listings"), i, j)
		restore_listing(b, j);
	json_array_foreach(json_object_get(root, "overrides"), i, j)
		restore_override(b, j, now_ms);
	for (i = 0; i < STATEFILE_PARTS; i++) {
		if (json_is_string(json_object_get(root, part_names[i])))
			parts[i] = xstrdup(string_of(root, part_names[i]));
	}
	json_decref(root);
	return true;
}

static bool
is_missing(const char *path)
{
	return access(path, F_OK) == -1 && errno == ENOENT;
}

/*
 * A daemon that was killed while the disk took its time has left the newer
 * state beside the present one, whole but with its first name.  A part of one
 * is no JSON.
 */
static void
finish_write(const char *path)
{
	char *tmp = xasprintf("%s.tmp", path);
	int fd = open(tmp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	json_t *root = NULL;
	struct stat st;
	int error;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		root = json_loadfd(fd, 0, NULL);
	if (root != NULL && integer_of(root, "mailbrake") == FORMAT_VERSION) {
		error = fsync(fd) == -1 ? errno : replace(path, tmp);
		if (error == 0)
			log_info("state file %s: the last change was written "
			    "but not in place yet: it is now", path);
		else
			log_warnx("state file %s: a newer one is there as %s "
			    "and cannot be put in place: %s", path, tmp,
			    strerror(error));
	}
	json_decref(root);
	if (fd != -1)
		close(fd);
	free(tmp);
}

bool
statefile_load(const char *path, struct board *b, int64_t now_ms,
    char *parts[STATEFILE_PARTS])
{
	char why[200], *old = xasprintf("%s.old", path);
	char *bad = xasprintf("%s.bad", path);
	bool ok = true, missing = is_missing(path);
	int i;

	for (i = 0; i < STATEFILE_PARTS; i++)
		parts[i] = NULL;
	/* To start without memory people remove these two. */
	if (!missing || !is_missing(old)) {
		finish_write(path);
		missing = is_missing(path);
	}
	/* What somebody made unreadable is not damaged. */
	if (!missing && access(path, R_OK) == -1)
		fatal("not started: state file %s cannot be read: give it to "
		    "the user of the daemon", path);
	if (missing && is_missing(old)) {
		log_debug("state file %s: none yet", path);
	} else if (!missing && load_one(path, b, now_ms, parts, why,
	    sizeof(why))) {
		log_info("state file %s: %zu listings, %zu overrides "
		    "restored", path, board_listing_count(b),
		    board_override_count(b));
	} else {
		ok = false;
		if (missing)
			log_warnx("state file %s is gone, but not the one "
			    "before it", path);
		else
			log_warnx("state file %s cannot be used: %s; kept as "
			    "%s", path, why, bad);
		if (!missing && rename(path, bad) == -1)
			log_warn("state file: cannot rename to %s", bad);
		if (load_one(old, b, now_ms, parts, why, sizeof(why)))
			log_warnx("state file %s: the one before it is used: "
			    "%zu listings, %zu overrides restored", old,
			    board_listing_count(b), board_override_count(b));
		else
			log_warnx("state file %s cannot be used either: %s; "
			    "starting without memory: check now what should "
			    "be stopped", old, why);
	}
	free(old);
	free(bad);
	return ok;
}

/* --- writing ----------------------------------------------------------- */

static bool
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, text, len)) == -1) {
			if (errno == EINTR)
				continue;
			return false;
		}
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* 0 or errno. */
static int
write_file(const char *path, const char *text)
{
	char *tmp = xasprintf("%s.tmp", path);
	int fd, saved = 0;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	if (fd == -1 || !write_all(fd, text, strlen(text)) ||
	    fsync(fd) == -1)
		saved = errno;
	if (fd != -1 && close(fd) == -1 && saved == 0)
		saved = errno;
	if (saved == 0)
		saved = replace(path, tmp);
	else
		unlink(tmp);
	free(tmp);
	return saved;
}

static void
note_result(struct statefile *f, int error)
{
	bool had = f->error[0] != '\0';

	if (error == 0) {
		if (had)
			log_info("state file %s: written again", f->path);
		f->error[0] = '\0';
		return;
	}
	errno = error;
	if (!had)
		log_warn("state file %s cannot be written, so a restart would "
		    "forget the present state; trying again every %d s",
		    f->path, RETRY_S);
	snprintf(f->error, sizeof(f->error), "%s", strerror(error));
}

static void
wait_retry(struct statefile *f)
{
	struct timespec until;

	clock_cond_until(&until, RETRY_S * 1000);
	pthread_cond_timedwait(&f->work, &f->mutex, &until);
}

static void *
writer(void *arg)
{
	struct statefile *f = arg;
	char *text;
	int error;

	pthread_mutex_lock(&f->mutex);
	for (;;) {
		while (f->pending == NULL && !f->closing)
			pthread_cond_wait(&f->work, &f->mutex);
		if (f->pending == NULL)
			break;
		text = f->pending;
		f->pending = NULL;
		f->writing = true;
		pthread_mutex_unlock(&f->mutex);
		error = write_file(f->path, text);
		pthread_mutex_lock(&f->mutex);
		note_result(f, error);
		if (error != 0 && f->pending == NULL && !f->closing) {
			f->pending = text;
			text = NULL;
			pthread_cond_broadcast(&f->idle);
			wait_retry(f);
		}
		free(text);
		f->writing = false;
		pthread_cond_broadcast(&f->idle);
	}
	pthread_mutex_unlock(&f->mutex);
	return NULL;
}

void
statefile_keep(struct statefile *f, enum statefile_part part,
    const char *text)
{
	if (f == NULL || (text == NULL && f->parts[part] == NULL))
		return;
	if (text != NULL && f->parts[part] != NULL &&
	    strcmp(text, f->parts[part]) == 0)
		return;
	free(f->parts[part]);
	f->parts[part] = xstrdup(text);
	f->parts_changed = true;
}

void
statefile_save(struct statefile *f, const struct board *b)
{
	uint64_t print;
	char *text;

	if (f == NULL || (f->saved && !f->parts_changed &&
	    f->generation == board_generation(b)))
		return;
	f->generation = board_generation(b);
	f->parts_changed = false;
	text = board_json(b, f->parts);
	print = table_hash(0, text, strlen(text));
	if (f->saved && print == f->print) {
		free(text);
		return;
	}
	f->saved = true;
	f->print = print;
	pthread_mutex_lock(&f->mutex);
	free(f->pending);
	f->pending = text;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->mutex);
}

/* --- life -------------------------------------------------------------- */

static int
take_lock(const char *path, const char **why)
{
	char *name = xasprintf("%s.lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);

	*why = NULL;
	if (fd == -1) {
		log_warn("%s: cannot be created, so a second daemon would "
		    "not be noticed", name);
	} else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		*why = "another mailbraked uses this state file: stop it "
		    "first, or give this one a state_file of its own";
		close(fd);
		fd = -1;
	}
	free(name);
	return fd;
}

struct statefile *
statefile_open(const char *path, const char **why)
{
	struct statefile *f;
	int fd = take_lock(path, why);

	if (*why != NULL)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->path = xstrdup(path);
	f->lock_fd = fd;
	if (pthread_mutex_init(&f->mutex, NULL) != 0 ||
	    clock_cond_init(&f->work) != 0 ||
	    clock_cond_init(&f->idle) != 0 ||
	    pthread_create(&f->thread, NULL, writer, f) != 0)
		fatalx("state file: cannot start the writer");
	return f;
}

/* With the lock.  False if it is not all written in time. */
static bool
wait_idle(struct statefile *f, int wait_ms, bool failing_too)
{
	struct timespec until;
	bool in_time = true;

	clock_cond_until(&until, wait_ms);
	while ((f->pending != NULL || f->writing) && in_time &&
	    (failing_too || f->error[0] == '\0'))
		in_time = pthread_cond_timedwait(&f->idle, &f->mutex,
		    &until) == 0;
	return f->pending == NULL && !f->writing;
}

bool
statefile_wait(struct statefile *f, int wait_ms)
{
	bool done;

	if (f == NULL)
		return true;
	pthread_mutex_lock(&f->mutex);
	done = wait_idle(f, wait_ms, false);
	pthread_mutex_unlock(&f->mutex);
	return done;
}

void
statefile_close(struct statefile *f, int wait_ms)
{
	bool done;
	int i;

	if (f == NULL)
		return;
	pthread_mutex_lock(&f->mutex);
	f->closing = true;
	pthread_cond_signal(&f->work);
	done = wait_idle(f, wait_ms, true);
	pthread_mutex_unlock(&f->mutex);
	if (!done) {
		/* The disk hangs; the process ends without it. */
		log_warnx("state file %s: the last change could not be "
		    "written in time", f->path);
		return;
	}
	pthread_join(f->thread, NULL);
	pthread_mutex_destroy(&f->mutex);
	pthread_cond_destroy(&f->work);
	pthread_cond_destroy(&f->idle);
	if (f->lock_fd != -1)
		close(f->lock_fd);
	free(f->pending);
	for (i = 0; i < STATEFILE_PARTS; i++)
		free(f->parts[i]);
	free(f->path);
	free(f);
}

const char *
statefile_error(struct statefile *f, char *buf, size_t size)
{
	pthread_mutex_lock(&f->mutex);
	text_copy(buf, size, f->error);
	pthread_mutex_unlock(&f->mutex);
	return buf;
}
