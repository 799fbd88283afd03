/*
 * gate_file.c - the Postfix table that shuts an egress at delivery time
 *
 * One run at a time goes through these steps, disk and programs in turn:
 *
 *	LOOK	read the live text: is it ours, what does it say?
 *	ASK	does Postfix find the same in the live table?  Then done.
 *	WRITE	the wish to PATH.new, synced
 *	COMPILE	by postmap
 *	VERIFY	what postmap finds in it
 *	INSTALL	sync, and rename both over the live ones
 *
 * The first two only until we know what is in force.  A failure ends the
 * run; the live table is as it was, and there is a next try.
 */
#include "front/gate_file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/aside.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define MARK		"# mailbrake gate file"
#define HEADER		MARK ": the egresses that are stopped.\n" \
	"# It belongs to mailbraked(8), which writes it anew: do not edit " \
	"it.\n"
#define TEXT_MAX	(1024 * 1024)
#define OUTPUT_MAX	(256 * 1024)
#define FILE_MODE	0644
#define ERROR_MAX	700
#define TIMEOUT_MS	10000
#define RETRY_MS	1000
#define RETRY_FACTOR	60
#define LATE_MS		1000

/* What Postfix calls a table's file, for the kinds that postmap makes of one
 * text and that smtp(8) opens before it gives up its rights. */
static const struct {
	const char	*type;
	const char	*suffix;
} types[] = {
	{ "hash", ".db" },
	{ "btree", ".db" },
	{ "lmdb", ".lmdb" },
	{ "cdb", ".cdb" },
};

struct names {
	char	**v;
	size_t	  count;
};

enum step {
	STEP_IDLE,
	STEP_LOOK,
	STEP_ASK,
	STEP_WRITE,
	STEP_COMPILE,
	STEP_VERIFY,
	STEP_INSTALL,
};

enum owner {
	OWNER_NONE,		/* there is no text */
	OWNER_US,
	OWNER_OTHER,
};

/* Work for the disk, with all that it needs: the gate may be gone. */
struct job {
	struct gate_file *gate;		/* the loop's */
	char		*text_path, *text_new, *map_path, *map_new;
	char		*text;		/* to be written */
	enum owner	 owner;
	bool		 has_map;	/* there is a compiled one */
	struct names	 found;		/* in the live text */
	char		 error[ERROR_MAX];
};

struct gate_file {
	struct event_base *base;
	struct children	*children;
	char		 type[GATE_FILE_TYPE_MAX];
	char		*path, *config_directory;
	int64_t		 timeout_ms, first_retry_ms;
	gate_file_fn	*in_force_fn;
	void		*ctx;

	bool		 has_wish;
	struct names	 wish;
	char		*wish_text;
	int64_t		 wish_ms;	/* monotonic */

	enum step	 step;
	struct names	 trying;	/* the wish of this run */
	char		*trying_text;
	int64_t		 trying_ms;
	struct names	 was;		/* in the live text */
	bool		 was_text, was_map;
	struct aside	*aside;
	struct job	*job;
	struct child	*child;

	bool		 known;		/* what is in force is */
	struct names	 in_force;
	int64_t		 retry_ms;	/* wait before the next try */
	struct event	*retry;
	char		 error[ERROR_MAX];

	struct event	*late_timer;	/* runs while not settled */
	bool		 late;
	struct event	*doubt;		/* to be told soon */
	bool		 doubted;	/* as told */
	gate_file_doubt_fn *doubt_fn;
	void		*doubt_ctx;
};

static void begin(struct gate_file *);

/* --- names -------------------------------------------------------------- */

static void
names_free(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->v[i]);
	free(n->v);
	*n = (struct names){ 0 };
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
names_have(const struct names *n, const char *name)
{
	size_t i;

	/* Postfix folds keys, in a table and when it looks. */
	for (i = 0; i < n->count; i++) {
		if (text_same(n->v[i], name))
			return true;
	}
	return false;
}

static void
names_add(struct names *n, const char *name, size_t bytes)
{
	n->v = xreallocarray(n->v, n->count + 1, sizeof(*n->v));
	n->v[n->count++] = xasprintf("%.*s", (int)bytes, name);
}

static struct names
names_copy(const char *const *v, size_t count)
{
	struct names n = { 0 };
	size_t i;

	for (i = 0; i < count; i++) {
		if (!names_have(&n, v[i]))
			names_add(&n, v[i], strlen(v[i]));
	}
	if (n.count > 1)
		qsort(n.v, n.count, sizeof(*n.v), name_cmp);
	return n;
}

static bool
names_equal(const struct names *a, const struct names *b)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (!names_have(b, a->v[i]))
			return false;
	}
	return a->count == b->count;
}

/* --- text --------------------------------------------------------------- */

const char *
gate_file_parse(const char *table, char type[GATE_FILE_TYPE_MAX],
    const char **path)
{
	const char *colon = strchr(table, ':');
	size_t i, n;

	if (table[0] == '/') {
		strcpy(type, "hash");
		*path = table;
		return NULL;
	}
	if (colon == NULL || colon[1] != '/')
		return "must be an absolute path, or one behind the type of "
		    "a Postfix table: \"hash:/var/lib/mailbrake/gate\"";
	n = (size_t)(colon - table);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].type) == n &&
		    strncmp(table, types[i].type, n) == 0) {
			strcpy(type, types[i].type);
			*path = colon + 1;
			return NULL;
		}
	}
	return "has a type that cannot be used: hash, btree, lmdb or cdb";
}

static const char *
suffix_of(const char *type)
{
	size_t i;

	for (i = 0; strcmp(types[i].type, type) != 0; i++)
		;
	return types[i].suffix;
}

static const char *
reason_of(const char *name, const char *const *names,
    const char *const *reasons, size_t count)
{
	size_t i;

	for (i = 0; reasons != NULL && i < count; i++) {
		if (text_same(names[i], name))
			return reasons[i];
	}
	return NULL;
}

static char *
make_text(const struct names *n, const char *const *names,
    const char *const *reasons, size_t count)
{
	char *text = xstrdup(HEADER), *more, clean[300];
	const char *why;
	size_t i;

	for (i = 0; i < n->count; i++) {
		why = reason_of(n->v[i], names, reasons, count);
		text_clean(clean, sizeof(clean), why != NULL ? why : "",
		    why != NULL ? strlen(why) : 0);
		more = xasprintf("%s%s%s%s%s\t%s\n", text,
		    clean[0] != '\0' ? "# " : "", clean,
		    clean[0] != '\0' ? "\n" : "", n->v[i], GATE_FILE_VALUE);
		free(text);
		text = more;
	}
	return text;
}

/* The first word of a line of a table; 0 bytes for a comment. */
static size_t
key_of(const char *line, size_t bytes)
{
	size_t n = 0;

	if (bytes == 0 || *line == '#')
		return 0;
	while (n < bytes && line[n] != ' ' && line[n] != '\t')
		n++;
	return n;
}

static void
parse_text(struct job *j, const char *text)
{
	const char *line;
	size_t n, key;

	j->owner = strncmp(text, MARK, strlen(MARK)) == 0 ? OWNER_US :
	    OWNER_OTHER;
	for (line = text; j->owner == OWNER_US && *line != '\0';
	    line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		if ((key = key_of(line, n)) > 0)
			names_add(&j->found, line, key);
	}
}

/* --- the disk: on a thread, touches only its job ------------------------- */

static bool
job_fails(struct job *j, const char *what, const char *path)
{
	snprintf(j->error, sizeof(j->error), "%s %s: %s", what, path,
	    strerror(errno));
	return false;
}

static bool
read_live(struct job *j)
{
	char *text;
	struct stat st;
	ssize_t n = 0, got;
	int fd;

	j->has_map = stat(j->map_path, &st) == 0;
	/* Somebody's fifo must not make us wait. */
	if ((fd = open(j->text_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) ==
	    -1) {
		j->owner = OWNER_NONE;
		return errno == ENOENT || job_fails(j, "cannot read",
		    j->text_path);
	}
	text = xcalloc(1, TEXT_MAX + 1);
	while (n < TEXT_MAX && (got = read(fd, text + n,
	    (size_t)(TEXT_MAX - n))) > 0)
		n += got;
	if (n < TEXT_MAX && got == -1)
		job_fails(j, "cannot read", j->text_path);
	else
		parse_text(j, text);
	close(fd);
	free(text);
	return j->error[0] == '\0';
}

static void
look_work(void *arg)
{
	read_live(arg);
}

static bool
write_whole(struct job *j)
{
	size_t bytes = strlen(j->text), at = 0;
	ssize_t n;
	int fd;

	fd = open(j->text_new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		return job_fails(j, "cannot write", j->text_new);
	while (at < bytes) {
		if ((n = write(fd, j->text + at, bytes - at)) == -1)
			break;
		at += (size_t)n;
	}
	if (at < bytes || fsync(fd) == -1) {
		job_fails(j, "cannot write", j->text_new);
		close(fd);
		unlink(j->text_new);
		return false;
	}
	close(fd);
	return true;
}

static void
write_work(void *arg)
{
	struct job *j = arg;

	/* Somebody may have put a file of his own there meanwhile. */
	if (!read_live(j) || j->owner == OWNER_OTHER)
		return;
	unlink(j->text_new);
	unlink(j->map_new);
	write_whole(j);
}

/* postmap has said that it is good; it does not say that it is on disk. */
static bool
sync_map(struct job *j)
{
	struct stat st;
	int fd = open(j->map_new, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool ok;

	if (fd == -1)
		return job_fails(j, "postmap left no table", j->map_new);
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fsync(fd) == 0;
	if (!ok)
		job_fails(j, "cannot sync", j->map_new);
	close(fd);
	return ok;
}

static void
install_work(void *arg)
{
	struct job *j = arg;
	char *copy = xstrdup(j->text_path);
	int dir;

	/*
	 * The table first: it is what counts.  Where there is no text yet it
	 * is the other way round, so that a table without a text, whoever
	 * made it, is never taken for ours.
	 */
	if (sync_map(j) &&
	    ((access(j->text_path, F_OK) == -1 &&
	    rename(j->text_new, j->text_path) == -1) ||
	    rename(j->map_new, j->map_path) == -1 ||
	    (access(j->text_new, F_OK) == 0 &&
	    rename(j->text_new, j->text_path) == -1)))
		job_fails(j, "cannot replace", j->map_path);
	if (j->error[0] == '\0' &&
	    (dir = open(dirname(copy), O_RDONLY | O_CLOEXEC)) != -1) {
		/* The change is in force; after a power cut it may have to
		 * be made again, which the start does. */
		(void)fsync(dir);
		close(dir);
	}
	free(copy);
}

static void
job_free(void *arg)
{
	struct job *j = arg;

	free(j->text_path);
	free(j->text_new);
	free(j->map_path);
	free(j->map_new);
	free(j->text);
	names_free(&j->found);
	free(j);
}

static void disk_done(void *);

static void failed(struct gate_file *, const char *, ...)
    __attribute__((__format__(__printf__, 2, 3)));

static void
use_disk(struct gate_file *g, enum step step, aside_fn *work)
{
	struct job *j = xcalloc(1, sizeof(*j));
	const char *suffix = suffix_of(g->type);

	j->gate = g;
	j->text_path = xstrdup(g->path);
	j->text_new = xasprintf("%s.new", g->path);
	j->map_path = xasprintf("%s%s", g->path, suffix);
	j->map_new = xasprintf("%s.new%s", g->path, suffix);
	j->text = xstrdup(g->trying_text);
	g->step = step;
	g->job = j;
	if ((g->aside = aside_run(g->base, work, disk_done, j)) == NULL) {
		g->job = NULL;
		job_free(j);
		failed(g, "no thread for the disk: %s", strerror(errno));
	}
}

/* --- doubt --------------------------------------------------------------- */

bool
gate_file_doubtful(const struct gate_file *g)
{
	return g != NULL && !gate_file_settled(g) &&
	    (g->error[0] != '\0' || g->late);
}

/* Never from within gate_file_set(). */
static void
doubt_cb(evutil_socket_t fd, short what, void *arg)
{
	struct gate_file *g = arg;

	(void)fd;
	(void)what;
	if (gate_file_doubtful(g) == g->doubted)
		return;
	g->doubted = !g->doubted;
	if (g->doubt_fn != NULL)
		g->doubt_fn(g->doubt_ctx);
}

static void
late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct gate_file *g = arg;

	g->late = true;
	doubt_cb(fd, what, g);
}

/* After whatever may settle it, or not. */
static void
weigh_doubt(struct gate_file *g)
{
	static const struct timeval late = { LATE_MS / 1000,
	    (LATE_MS % 1000) * 1000 };

	if (gate_file_settled(g)) {
		event_del(g->late_timer);
		g->late = false;
	} else if (!g->late && !evtimer_pending(g->late_timer, NULL)) {
		event_add(g->late_timer, &late);
	}
	if (gate_file_doubtful(g) != g->doubted)
		event_active(g->doubt, 0, 0);
}

void
gate_file_on_doubt(struct gate_file *g, gate_file_doubt_fn *fn, void *ctx)
{
	if (g == NULL)
		return;
	g->doubt_fn = fn;
	g->doubt_ctx = ctx;
}

/* --- how a run ends ------------------------------------------------------ */

static void
arm_retry(struct gate_file *g)
{
	static const struct timeval now = { 0, 0 };
	struct timeval tv = { g->retry_ms / 1000,
	    (g->retry_ms % 1000) * 1000 };

	/* What was wished meanwhile need not pay for it. */
	if (!names_equal(&g->wish, &g->trying)) {
		event_add(g->retry, &now);
		return;
	}
	event_add(g->retry, &tv);
	g->retry_ms *= 2;
	if (g->retry_ms > g->first_retry_ms * RETRY_FACTOR)
		g->retry_ms = g->first_retry_ms * RETRY_FACTOR;
}

static void
failed(struct gate_file *g, const char *fmt, ...)
{
	char text[ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Half of it may have been done. */
	if (g->step == STEP_INSTALL)
		g->known = false;
	g->step = STEP_IDLE;
	if (strcmp(g->error, text) != 0) {
		text_copy(g->error, sizeof(g->error), text);
		log_warnx("gate file %s: %s; what it says now stays in force, "
		    "and this is tried again", g->path, text);
	}
	weigh_doubt(g);
	arm_retry(g);
}

static void
succeeded(struct gate_file *g, bool found)
{
	struct gate_file_news news = { .found = found,
	    .took_ms = clock_mono_ms() - g->trying_ms };

	g->step = STEP_IDLE;
	g->known = true;
	names_free(&g->in_force);
	g->in_force = g->trying;
	g->trying = (struct names){ 0 };
	g->retry_ms = g->first_retry_ms;
	if (g->error[0] != '\0')
		log_info("gate file %s: written, all is well again", g->path);
	g->error[0] = '\0';
	weigh_doubt(g);
	news.names = (const char *const *)g->in_force.v;
	news.count = g->in_force.count;
	/* What was wished meanwhile, by the callback too. */
	g->in_force_fn(g->ctx, &news);
	if (g->step == STEP_IDLE)
		begin(g);
}

/* --- programs ------------------------------------------------------------ */

static void
run_postmap(struct gate_file *g, enum step step, const char *option,
    const char *file_suffix, const char *input, child_done_fn *done)
{
	char *table = xasprintf("%s:%s%s", g->type, g->path, file_suffix);
	const char *argv[8];
	struct child_spec spec = { .argv = argv, .input = input,
	    .input_bytes = input != NULL ? strlen(input) : 0,
	    .timeout_ms = g->timeout_ms, .output_max = OUTPUT_MAX };
	size_t n = 0;

	argv[n++] = "postmap";
	if (g->config_directory != NULL) {
		argv[n++] = "-c";
		argv[n++] = g->config_directory;
	}
	if (option != NULL)
		argv[n++] = option;
	if (input != NULL)
		argv[n++] = "-";
	argv[n++] = table;
	argv[n] = NULL;
	g->step = step;
	g->child = child_run(g->children, &spec, done, g);
	free(table);
}

static void
postmap_failed(struct gate_file *g, const struct child_result *r)
{
	char text[CHILD_TEXT_MAX];

	if (r->end == CHILD_NOT_STARTED && r->code == ENOENT)
		failed(g, "there is no postmap on this host: install Postfix, "
		    "or set gate_file = \"\"");
	else
		failed(g, "%s: see that this command works: postmap %s:%s",
		    child_text(r, text), g->type, g->path);
}

/* The keys to ask for: what should be there, and what should not. */
static char *
make_keys(const struct gate_file *g)
{
	const struct names *n[] = { &g->trying, &g->was };
	char *keys = xstrdup(""), *more;
	size_t i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < n[k]->count; i++) {
			if (k == 1 && names_have(&g->trying, n[k]->v[i]))
				continue;
			more = xasprintf("%s%s\n", keys, n[k]->v[i]);
			free(keys);
			keys = more;
		}
	}
	/* With nothing to ask for the table would not even be opened. */
	more = xasprintf("%smailbrake\n", keys);
	free(keys);
	return more;
}

/*
 * What postmap -q or -s printed: "key<TAB>value" lines.  ours is false if
 * there is a value that we would not write.
 */
static struct names
read_answers(const char *out, bool *ours)
{
	struct names n = { 0 };
	const char *line;
	size_t bytes, key;
	char *name;

	*ours = true;
	for (line = out; *line != '\0'; line += bytes + (line[bytes] == '\n')) {
		bytes = strcspn(line, "\n");
		if ((key = key_of(line, bytes)) == 0)
			continue;
		if (bytes != key + 1 + strlen(GATE_FILE_VALUE) ||
		    strncmp(line + key + 1, GATE_FILE_VALUE,
		    strlen(GATE_FILE_VALUE)) != 0)
			*ours = false;
		name = xasprintf("%.*s", (int)key, line);
		if (!names_have(&n, name))
			names_add(&n, name, key);
		free(name);
	}
	return n;
}

/* postmap -q answers with status 1 when it has found nothing, and also when
 * it could not look; but then it says why. */
static bool
could_look(const struct child_result *r)
{
	return child_good(r) || (r->end == CHILD_EXITED && r->code == 1 &&
	    r->out_bytes == 0 && strstr(r->err, "fatal:") == NULL);
}

static bool
answers_are_right(struct gate_file *g, const struct child_result *r)
{
	struct names n;
	bool ours, right;

	if (!could_look(r))
		return false;
	n = read_answers(r->out, &ours);
	right = ours && names_equal(&n, &g->trying);
	names_free(&n);
	return right;
}

static void
verify_done(void *ctx, const struct child_result *r)
{
	struct gate_file *g = ctx;

	g->child = NULL;
	if (answers_are_right(g, r))
		use_disk(g, STEP_INSTALL, install_work);
	else if (!could_look(r))
		postmap_failed(g, r);
	else
		failed(g, "postmap made a table in which it does not find "
		    "what it was given: see that this command works: postmap "
		    "%s:%s", g->type, g->path);
}

static void
compile_done(void *ctx, const struct child_result *r)
{
	struct gate_file *g = ctx;
	char *keys;

	g->child = NULL;
	if (!child_good(r)) {
		postmap_failed(g, r);
		return;
	}
	keys = make_keys(g);
	run_postmap(g, STEP_VERIFY, "-q", ".new", keys, verify_done);
	free(keys);
}

static void
ask_done(void *ctx, const struct child_result *r)
{
	struct gate_file *g = ctx;
	struct names n;
	bool ours;

	g->child = NULL;
	if (r->end == CHILD_NOT_STARTED) {
		postmap_failed(g, r);
		return;
	}
	/* Without its text the table was listed, to see whose it is. */
	n = read_answers(r->out, &ours);
	names_free(&n);
	if (!g->was_text && child_good(r) && !ours)
		failed(g, "%s%s is somebody else's: it has entries that "
		    "mailbrake did not write; name another gate_file, or "
		    "remove it", g->path, suffix_of(g->type));
	else if (g->was_text && names_equal(&g->was, &g->trying) &&
	    answers_are_right(g, r))
		succeeded(g, true);
	else
		use_disk(g, STEP_WRITE, write_work);
}

/* --- a run --------------------------------------------------------------- */

static void
looked(struct gate_file *g)
{
	char *keys;

	if (!g->was_map) {
		use_disk(g, STEP_WRITE, write_work);
	} else if (!g->was_text) {
		run_postmap(g, STEP_ASK, "-s", "", NULL, ask_done);
	} else {
		keys = make_keys(g);
		run_postmap(g, STEP_ASK, "-q", "", keys, ask_done);
		free(keys);
	}
}

static void
disk_done(void *arg)
{
	struct job *j = arg;
	struct gate_file *g = j->gate;
	char error[ERROR_MAX];
	enum owner owner = j->owner;

	g->aside = NULL;
	g->job = NULL;
	text_copy(error, sizeof(error), j->error);
	if (g->step != STEP_INSTALL) {
		names_free(&g->was);
		g->was = j->found;
		j->found = (struct names){ 0 };
		g->was_text = owner != OWNER_NONE;
		g->was_map = j->has_map;
	}
	job_free(j);
	if (error[0] != '\0')
		failed(g, "%s", error);
	else if (owner == OWNER_OTHER)
		failed(g, "this file is somebody else's: it does not begin "
		    "with \"%s\"; name another gate_file, or remove it", MARK);
	else if (g->step == STEP_LOOK)
		looked(g);
	else if (g->step == STEP_WRITE)
		run_postmap(g, STEP_COMPILE, NULL, ".new", NULL,
		    compile_done);
	else
		succeeded(g, false);
}

static void
begin(struct gate_file *g)
{
	event_del(g->retry);
	if (!g->has_wish)
		return;
	if (gate_file_settled(g)) {
		/* What had failed is not wanted any more. */
		g->error[0] = '\0';
		g->retry_ms = g->first_retry_ms;
		weigh_doubt(g);
		return;
	}
	names_free(&g->trying);
	free(g->trying_text);
	g->trying = names_copy((const char *const *)g->wish.v, g->wish.count);
	g->trying_text = xstrdup(g->wish_text);
	g->trying_ms = g->wish_ms;
	if (g->known)
		use_disk(g, STEP_WRITE, write_work);
	else
		use_disk(g, STEP_LOOK, look_work);
}

static void
retry_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	begin(arg);
}

/* --- what others call ---------------------------------------------------- */

struct gate_file *
gate_file_new(struct event_base *base, struct children *children,
    const struct gate_file_conf *conf, gate_file_fn *in_force, void *ctx)
{
	struct gate_file *g;
	char type[GATE_FILE_TYPE_MAX], found[1024];
	const char *path, *why;

	if (conf->table[0] == '\0')
		return NULL;
	if (!conf->given && !child_find("postmap", found, sizeof(found))) {
		log_debug("no postmap on this host: no gate file");
		return NULL;
	}
	if ((why = gate_file_parse(conf->table, type, &path)) != NULL) {
		log_warnx("gate_file \"%s\" %s: there is none", conf->table,
		    why);
		return NULL;
	}
	g = xcalloc(1, sizeof(*g));
	g->base = base;
	g->children = children;
	strcpy(g->type, type);
	g->path = xstrdup(path);
	g->config_directory = xstrdup(conf->config_directory);
	g->timeout_ms = conf->timeout_ms > 0 ? conf->timeout_ms : TIMEOUT_MS;
	g->first_retry_ms = g->retry_ms =
	    conf->retry_ms > 0 ? conf->retry_ms : RETRY_MS;
	g->in_force_fn = in_force;
	g->ctx = ctx;
	g->retry = evtimer_new(base, retry_cb, g);
	g->late_timer = evtimer_new(base, late_cb, g);
	g->doubt = event_new(base, -1, 0, doubt_cb, g);
	if (g->retry == NULL || g->late_timer == NULL || g->doubt == NULL)
		fatalx("out of memory for events");
	return g;
}

void
gate_file_free(struct gate_file *g)
{
	if (g == NULL)
		return;
	if (g->child != NULL)
		child_cancel(g->child);
	if (g->aside != NULL)
		aside_cancel(g->aside, job_free);
	event_free(g->retry);
	event_free(g->late_timer);
	event_free(g->doubt);
	names_free(&g->wish);
	names_free(&g->trying);
	names_free(&g->was);
	names_free(&g->in_force);
	free(g->wish_text);
	free(g->trying_text);
	free(g->path);
	free(g->config_directory);
	free(g);
}

void
gate_file_set(struct gate_file *g, const char *const *names,
    const char *const *reasons, size_t count)
{
	struct names n;

	if (g == NULL)
		return;
	n = names_copy(names, count);
	if (g->has_wish && names_equal(&n, &g->wish)) {
		names_free(&n);
		return;
	}
	names_free(&g->wish);
	free(g->wish_text);
	g->wish = n;
	g->wish_text = make_text(&n, names, reasons, count);
	g->wish_ms = clock_mono_ms();
	g->has_wish = true;
	weigh_doubt(g);
	/* One that comes during a run is looked at when that ends. */
	if (g->step == STEP_IDLE)
		begin(g);
}

void
gate_file_check(struct gate_file *g)
{
	if (g == NULL)
		return;
	g->known = false;
	weigh_doubt(g);
	if (g->step == STEP_IDLE)
		begin(g);
}

bool
gate_file_settled(const struct gate_file *g)
{
	return g == NULL || (g->has_wish && g->known &&
	    names_equal(&g->wish, &g->in_force));
}

const char *
gate_file_error(const struct gate_file *g)
{
	return g != NULL ? g->error : "";
}
