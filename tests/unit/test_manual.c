/*
 * test_manual.c - manual and samples have every setting, and say it right
 *
 * The table of settings is the truth: what it has must stand in
 * mailbrake.conf(5) and in the full sample with the same default and range,
 * and nothing else may stand there.
 */
#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "conf/config.h"
#include "conf/config_schema.h"

#define MANUAL		"src/conf/mailbrake.conf.5"
#define FULL		"etc/mailbrake.conf.full"
#define MINIMAL		"etc/mailbrake.conf"
#define SHIPPED		"/usr/share/mailbrake/"
#define DEPTH_MAX	8

/* What is said of a setting somewhere. */
struct said {
	char	*path;		/* "lists.answers.code" */
	char	*text;		/* its value, or what the manual says of it */
};

struct sayings {
	struct said	*v;
	size_t		 count;
};

static void
say(struct sayings *s, char *path, char *text)
{
	s->v = xreallocarray(s->v, s->count + 1, sizeof(*s->v));
	s->v[s->count++] = (struct said){ path, text };
}

static void
free_sayings(struct sayings *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		free(s->v[i].path);
		free(s->v[i].text);
	}
	free(s->v);
}

static bool
has(const struct sayings *s, const char *path)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (strcmp(s->v[i].path, path) == 0)
			return true;
	}
	return false;
}

static char *
join(char *const *names, size_t count)
{
	char *path = xstrdup(""), *longer;
	size_t i;

	for (i = 0; i < count; i++) {
		if (names[i] == NULL || names[i][0] == '\0')
			continue;
		longer = xasprintf("%s%s%s", path, path[0] != '\0' ? "." : "",
		    names[i]);
		free(path);
		path = longer;
	}
	return path;
}

/* --- the table ---------------------------------------------------------- */

static struct sayings table;

static void
list_settings(const struct setting *rows, const char *prefix)
{
	for (; rows->name != NULL; rows++) {
		char *path = xasprintf("%s%s%s", prefix,
		    prefix[0] != '\0' ? "." : "", rows->name);

		if (rows->children != NULL)
			list_settings(rows->children, path);
		say(&table, path, NULL);
	}
}

static const struct setting *
find_setting(const char *path)
{
	const struct setting *rows = config_schema;
	size_t n;

	for (;;) {
		n = strcspn(path, ".");
		for (; rows->name != NULL; rows++) {
			if (strlen(rows->name) == n &&
			    strncmp(rows->name, path, n) == 0)
				break;
		}
		if (rows->name == NULL)
			return NULL;
		if (path[n] == '\0')
			return rows;
		path += n + 1;
		if ((rows = rows->children) == NULL)
			return NULL;
	}
}

static void
same_settings(const struct sayings *said, const char *where)
{
	size_t i, missing = 0;

	for (i = 0; i < table.count; i++) {
		if (!has(said, table.v[i].path)) {
			print_error("%s is not in %s\n", table.v[i].path,
			    where);
			missing++;
		}
	}
	for (i = 0; i < said->count; i++) {
		if (find_setting(said->v[i].path) == NULL) {
			print_error("%s is in %s and is no setting\n",
			    said->v[i].path, where);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

/* --- the manual --------------------------------------------------------- */

static struct sayings manual;

/* ".It Ic name No (number, 2, 1 to 10)", in lists of lists. */
static void
read_manual(void)
{
	char *text = unit_read(unit_source(MANUAL)), *rest = text, *line;
	char *names[DEPTH_MAX] = { NULL };
	size_t depth = 0, i;

	if (text == NULL)
		abort();
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, ".Sh ", 4) == 0)
			depth = 0;
		if (strncmp(line, ".Bl ", 4) == 0 && depth < DEPTH_MAX - 1)
			depth++;
		if (strncmp(line, ".El", 3) == 0 && depth > 0)
			depth--;
		if (strncmp(line, ".It Ic ", 7) != 0 || depth == 0)
			continue;
		for (i = depth; i < DEPTH_MAX; i++) {
			free(names[i]);
			names[i] = NULL;
		}
		line += 7;
		names[depth] = xasprintf("%.*s", (int)strcspn(line, " "),
		    line);
		say(&manual, join(names, depth + 1), xstrdup(line));
	}
	for (i = 0; i < DEPTH_MAX; i++)
		free(names[i]);
	free(text);
}

static void
test_manual_has_all(void **state)
{
	(void)state;
	same_settings(&manual, MANUAL);
}

/* "100ms to 1d" as the manual writes it, without the blanks that a text for
 * people has between units. */
static char *
range_text(const struct setting *row)
{
	char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];

	if (row->type == SET_INT)
		return xasprintf("%lld to %lld", (long long)row->min,
		    (long long)row->max);
	return xasprintf("%s to %s", duration_text(row->min, low),
	    duration_text(row->max, high));
}

static char *
default_text(const struct setting *row)
{
	if (row->type == SET_INT || row->type == SET_BOOL)
		return xasprintf(", %s", row->default_value);
	return xasprintf("\\(dq%s\\(dq", row->default_value);
}

static void
test_manual_says_it_right(void **state)
{
	const struct setting *row;
	size_t i, wrong = 0;
	char *part;

	(void)state;
	for (i = 0; i < manual.count; i++) {
		const struct said *m = &manual.v[i];

		if ((row = find_setting(m->path)) == NULL)
			continue;
		if (row->type == SET_INT || row->type == SET_DURATION) {
			part = range_text(row);
			if (strstr(m->text, part) == NULL) {
				print_error("%s: \"%s\" lacks the range %s\n",
				    m->path, m->text, part);
				wrong++;
			}
			free(part);
		}
		/* Lists of words and paths of the build have words of their
		 * own in the manual. */
		if (row->default_value == NULL || row->type == SET_STRINGS ||
		    row->type == SET_WORDS || row->default_value[0] == '/')
			continue;
		/* "accept" and the like: the text says what is unset. */
		if (row->type == SET_WORD && row->given != 0)
			continue;
		part = default_text(row);
		if (strstr(m->text, part) == NULL) {
			print_error("%s: \"%s\" lacks the default %s\n",
			    m->path, m->text, part);
			wrong++;
		}
		free(part);
	}
	assert_int_equal(wrong, 0);
}

/* --- the samples -------------------------------------------------------- */

static struct sayings	 full;
static char		*full_text;

/* A sample with everything in it that is commented out: "#" without a blank
 * behind it. */
static char *
uncommented(const char *file)
{
	char *text = unit_read(unit_source(file)), *from, *to;
	bool begins = true;

	if (text == NULL)
		abort();
	for (from = to = text; *from != '\0'; from++) {
		if (begins && from[0] == '#' && from[1] != ' ' &&
		    from[1] != '\n' && from[1] != '\0') {
			begins = false;
			continue;
		}
		begins = *from == '\n';
		*to++ = *from;
	}
	*to = '\0';
	return text;
}

static const char *
skip_blank(const char *p)
{
	for (;;) {
		p += strspn(p, " \t\n");
		if (*p != '#')
			return p;
		p += strcspn(p, "\n");
	}
}

static const char *
skip_string(const char *p)
{
	for (p++; *p != '"' && *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
	}
	return *p == '"' ? p + 1 : p;
}

/* The value behind an equals sign, up to its semicolon. */
static char *
value_text(const char *p)
{
	const char *end = p;

	while (*end != '\0' && *end != ';')
		end = *end == '"' ? skip_string(end) : end + 1;
	return xasprintf("%.*s", (int)(end - p), p);
}

/* Every "name =" with the groups and lists that it is in. */
static void
read_sample(const char *text, struct sayings *out)
{
	char *names[32] = { NULL };
	size_t depth = 0, n;
	const char *p = skip_blank(text), *value;

	while (*p != '\0') {
		if (*p == '"') {
			p = skip_string(p);
		} else if (isalpha((unsigned char)*p)) {
			n = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
			value = skip_blank(p + n);
			if (*value == '=') {
				value = skip_blank(value + 1);
				free(names[depth]);
				names[depth] = xasprintf("%.*s", (int)n, p);
				say(out, join(names, depth + 1),
				    value_text(value));
				p = value;
				/* Its group or list goes by its name. */
				if (*p == '{' || *p == '(') {
					depth++;
					p++;
				}
			} else {
				p += n > 0 ? n : 1;
			}
		} else if (*p == '{' || *p == '(') {
			names[++depth] = NULL;
			p++;
		} else if ((*p == '}' || *p == ')') && depth > 0) {
			free(names[depth]);
			names[depth--] = NULL;
			p++;
		} else {
			p++;
		}
		if (depth > 30)
			abort();
		p = skip_blank(p);
	}
	for (n = 0; n < 32; n++)
		free(names[n]);
}

static void
test_full_has_all(void **state)
{
	(void)state;
	same_settings(&full, FULL);
}

/* Only the words of a value: no quotes, brackets, commas, runs of blanks. */
static char *
words_of(const char *text)
{
	char *out = xcalloc(1, strlen(text) + 1), *to = out;

	for (; *text != '\0'; text++) {
		if (strchr("\"[],", *text) != NULL)
			continue;
		if (isspace((unsigned char)*text)) {
			if (to > out && to[-1] != ' ')
				*to++ = ' ';
			continue;
		}
		*to++ = *text;
	}
	if (to > out && to[-1] == ' ')
		to--;
	*to = '\0';
	return out;
}

static void
test_full_has_the_defaults(void **state)
{
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < full.count; i++) {
		const struct said *m = &full.v[i];
		const struct setting *row = find_setting(m->path);
		char *words;

		/* Paths are those of the usual directories. */
		if (row == NULL || row->default_value == NULL ||
		    row->default_value[0] == '/')
			continue;
		words = words_of(m->text);
		if (strcmp(words, row->default_value) != 0) {
			print_error("%s: %s, the default is %s\n", m->path,
			    m->text, row->default_value);
			wrong++;
		}
		free(words);
	}
	assert_int_equal(wrong, 0);
}

/* The value of a setting for a file of ours replaced by where that stands in
 * the source tree, or the setting added.  Takes text, returns its like. */
static char *
with_ours(char *text, const char *setting, const char *file)
{
	char *shipped = xasprintf("\n%s = \"" SHIPPED "%s\"", setting,
	    strrchr(file, '/') + 1);
	const char *at = strstr(text, shipped);
	char *all;

	if (at != NULL)
		all = xasprintf("%.*s\n%s = \"%s\"%s", (int)(at - text), text,
		    setting, unit_source(file), at + strlen(shipped));
	else
		all = xasprintf("%s\n%s = \"%s\";\n", text, setting,
		    unit_source(file));
	free(shipped);
	free(text);
	return all;
}

/* The sample under the catalogue of the source tree. */
static void
load_sample(const char *text)
{
	struct errors errs = { 0 };
	struct config *c;
	char *all = with_ours(xstrdup(text), "catalogue", "etc/lists.conf");
	size_t i;

	all = with_ours(all, "providers", "etc/providers.conf");
	c = config_load(unit_file("sample.conf", all), &errs);
	free(all);
	for (i = 0; i < errs.count; i++) {
		if (!errs.warning[i])
			print_error("%s\n", errs.lines[i]);
	}
	assert_int_equal(errs.error_count, 0);
	assert_non_null(c);
	config_free(c);
	errors_free(&errs);
}

static void
test_full_is_good(void **state)
{
	(void)state;
	load_sample(full_text);
}

static void
test_full_as_shipped(void **state)
{
	char *text = unit_read(unit_source(FULL));

	(void)state;
	assert_non_null(text);
	load_sample(text);
	free(text);
}

static void
test_minimal(void **state)
{
	char *text = unit_read(unit_source(MINIMAL));

	(void)state;
	assert_non_null(text);
	load_sample(text);
	free(text);
	text = uncommented(MINIMAL);
	load_sample(text);
	free(text);
}

/* The lists have settings of their own kind in the catalogue's head. */
static void
test_catalogue_head(void **state)
{
	char *text = unit_read(unit_source("etc/lists.conf"));
	size_t i;

	(void)state;
	assert_non_null(text);
	*strstr(text, "\nlists = (") = '\0';
	for (i = 0; i < table.count; i++) {
		const char *name = strrchr(table.v[i].path, '.');

		if (strncmp(table.v[i].path, "lists.", 6) != 0 ||
		    strstr(table.v[i].path, ".test.") != NULL)
			continue;
		if (strstr(text, name + 1) == NULL)
			fail_msg("the head of lists.conf has no %s",
			    name + 1);
	}
	free(text);
}

int
main(void)
{
	int failed;

	list_settings(config_schema, "");
	read_manual();
	full_text = uncommented(FULL);
	read_sample(full_text, &full);
	unit_claim("the manual has every setting in its place, and no other",
	    test_manual_has_all);
	unit_claim("the manual has every default and range",
	    test_manual_says_it_right);
	unit_claim("the full sample has every setting, and no other",
	    test_full_has_all);
	unit_claim("the full sample has every default",
	    test_full_has_the_defaults);
	unit_claim("the full sample is good with everything in it",
	    test_full_is_good);
	unit_claim("the full sample is good as it is",
	    test_full_as_shipped);
	unit_claim("the small sample is good, with everything in it too",
	    test_minimal);
	unit_claim("the catalogue's head explains every setting of a list",
	    test_catalogue_head);
	failed = unit_run("manual");
	free_sayings(&table);
	free_sayings(&manual);
	free_sayings(&full);
	free(full_text);
	return failed;
}
