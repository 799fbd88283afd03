/*
 * catalog.c - the lists: etc/lists.conf and `lists` of mailbrake.conf
 */
#include "conf/catalog.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/text.h"

#define KEY_MARK	"{key}"
/* A name of 253 octets less the 64 of an IPv6 address (RFC 5782 2.4). */
#define ZONE_MAX	189
#define WEIGHT_MAX	1000
#define WEIGHT_DEFAULT	100	/* a list that the operator adds himself */

struct answer_row {
	struct group_head	 head;
	char			*code;
	int			 bits;
	int			 means;		/* index into means_words */
	char			*name;
	int			 weight;
	bool			 weight_given;
	bool			 means_given;
};

struct deny_row {
	struct group_head	 head;
	char			*zone, *since, *reason;
};

struct catalog_file {
	struct group_head	 head;
	struct rows		 lists, deny;
};

static const char *const means_words[] = {
	"listed", "policy", "grey", "good", "age", "info", "refused", NULL
};
static const char *const kind_words[] = {
	"ipv4", "ipv6", "domains", NULL
};
static const char *const influence_words[] = {
	"high", "medium", "low", "none", NULL
};

#define AT(type, field)		.offset = offsetof(type, field)
#define GIVEN(type, field)	.given = offsetof(type, field)

static const struct setting answer_schema[] = {
	{ "code", SET_STRING, AT(struct answer_row, code) },
	{ "bits", SET_INT, AT(struct answer_row, bits), NULL, 1, 255 },
	{ "means", SET_WORD, AT(struct answer_row, means),
	    .words = means_words, GIVEN(struct answer_row, means_given) },
	{ "name", SET_STRING, AT(struct answer_row, name) },
	{ "weight", SET_INT, AT(struct answer_row, weight), NULL, 0,
	    WEIGHT_MAX, GIVEN(struct answer_row, weight_given) },
	{ 0 }
};

static const struct setting test_schema[] = {
	{ "listed", SET_STRING, AT(struct test_row, listed) },
	{ "clean", SET_STRING, AT(struct test_row, clean) },
	{ "listed6", SET_STRING, AT(struct test_row, listed6) },
	{ "clean6", SET_STRING, AT(struct test_row, clean6) },
	{ "domain", SET_STRING, AT(struct test_row, domain) },
	{ "domain_clean", SET_STRING, AT(struct test_row, domain_clean) },
	{ 0 }
};

#define DAY_MS	86400000LL

const struct setting catalog_row_schema[] = {
	{ "zone", SET_STRING, AT(struct list_row, zone) },
	{ "operator", SET_STRING, AT(struct list_row, operator) },
	{ "lists", SET_WORDS, AT(struct list_row, lists),
	    .words = kind_words },
	{ "weight", SET_INT, AT(struct list_row, weight), NULL, 0,
	    WEIGHT_MAX, GIVEN(struct list_row, weight_given) },
	{ "enabled", SET_BOOL, AT(struct list_row, enabled),
	    GIVEN(struct list_row, enabled_given) },
	{ "answers", SET_GROUPS, AT(struct list_row, answers),
	    .children = answer_schema, .size = sizeof(struct answer_row) },
	{ "test", SET_GROUP, AT(struct list_row, test),
	    .children = test_schema },
	{ "expires", SET_DURATION, AT(struct list_row, expires_ms), NULL,
	    1000, 3650 * DAY_MS },
	{ "interval", SET_DURATION, AT(struct list_row, interval_ms), NULL,
	    100, 30 * DAY_MS },
	{ "rate", SET_INT, AT(struct list_row, rate), NULL, 1, 100000 },
	{ "limit", SET_INT, AT(struct list_row, limit), NULL, 1,
	    999999999 },
	{ "influence", SET_STRING, AT(struct list_row, influence) },
	{ "lookup", SET_STRING, AT(struct list_row, lookup) },
	{ "delist", SET_STRING, AT(struct list_row, delist) },
	{ "note", SET_STRING, AT(struct list_row, note) },
	{ "verified", SET_BOOL, AT(struct list_row, verified),
	    GIVEN(struct list_row, verified_given) },
	{ "key", SET_STRING, AT(struct list_row, key), .secret = true },
	{ 0 }
};

static const struct setting deny_schema[] = {
	{ "zone", SET_STRING, AT(struct deny_row, zone) },
	{ "since", SET_STRING, AT(struct deny_row, since) },
	{ "reason", SET_STRING, AT(struct deny_row, reason) },
	{ 0 }
};

static const struct setting file_schema[] = {
	{ "lists", SET_GROUPS, AT(struct catalog_file, lists),
	    .children = catalog_row_schema,
	    .size = sizeof(struct list_row) },
	{ "deny", SET_GROUPS, AT(struct catalog_file, deny),
	    .children = deny_schema, .size = sizeof(struct deny_row) },
	{ 0 }
};

/* --- zones ------------------------------------------------------------- */

static bool
label_ok(const char *label, size_t len)
{
	size_t i;

	if (len == strlen(KEY_MARK) && strncmp(label, KEY_MARK, len) == 0)
		return true;
	if (len == 0 || len > 63)
		return false;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' &&
		    label[i] != '_')
			return false;
	}
	return true;
}

/* Lower case, without the final dot; NULL if it is no zone. */
static char *
zone_normal(const char *text)
{
	char *zone = xstrdup(text), *p;
	size_t len = strlen(zone);

	if (len > 0 && zone[len - 1] == '.')
		zone[--len] = '\0';
	for (p = zone; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	p = zone;
	for (;;) {
		size_t n = strcspn(p, ".");

		if (!label_ok(p, n)) {
			free(zone);
			return NULL;
		}
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	/* A single label would be a top-level domain: surely a slip. */
	if (len > ZONE_MAX || p == zone) {
		free(zone);
		return NULL;
	}
	return zone;
}

static bool
is_below(const char *zone, const char *parent)
{
	size_t lz = strlen(zone), lp = strlen(parent);

	return lz >= lp && strcmp(zone + lz - lp, parent) == 0 &&
	    (lz == lp || zone[lz - lp - 1] == '.');
}

static const struct denied *
find_denied(const struct catalog *cat, const char *zone)
{
	size_t i;

	for (i = 0; i < cat->denied_count; i++) {
		if (is_below(zone, cat->denied[i].zone))
			return &cat->denied[i];
	}
	return NULL;
}

/*
 * The list of that zone.  A zone with the operator's key typed in is the
 * catalogue's zone with {key}: *key is then set (owned by the caller), so
 * that the key is known to be one and is never shown.
 */
static struct list *
find_list(struct catalog *cat, const char *zone, char **key)
{
	const char *tail;
	size_t i;

	for (i = 0; i < cat->count; i++) {
		struct list *l = &cat->lists[i];

		if (strcmp(l->zone, zone) == 0)
			return l;
		tail = strchr(zone, '.');
		if (strncmp(l->zone, KEY_MARK ".", strlen(KEY_MARK) + 1)
		    == 0 && tail != NULL &&
		    strcmp(tail, l->zone + strlen(KEY_MARK)) == 0) {
			*key = xasprintf("%.*s", (int)(tail - zone), zone);
			return l;
		}
	}
	return NULL;
}

/* One line of ASCII: it reaches replies, logs and files. */
static void
set_string(char **out, const char *text)
{
	size_t room;

	if (text == NULL)
		return;
	free(*out);
	room = strlen(text) + 1;
	*out = text_clean(xcalloc(1, room), room, text, room - 1);
}

/* --- answers ----------------------------------------------------------- */

static bool
parse_code(const char *text, size_t len, uint32_t *out)
{
	char buf[16];
	struct addr a;

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (!addr_parse(buf, &a) || a.family != ADDR_IPV4)
		return false;
	*out = (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 |
	    (uint32_t)a.bytes[2] << 8 | a.bytes[3];
	return true;
}

static bool
parse_codes(const char *text, uint32_t *lo, uint32_t *hi)
{
	const char *dash = strchr(text, '-');

	if (dash == NULL)
		return parse_code(text, strlen(text), lo) &&
		    parse_code(text, strlen(text), hi);
	return parse_code(text, (size_t)(dash - text), lo) &&
	    parse_code(dash + 1, strlen(dash + 1), hi) && *lo <= *hi;
}

static void
add_answer(struct list *l, struct list_answer answer)
{
	l->answers = xreallocarray(l->answers, l->answer_count + 1,
	    sizeof(*l->answers));
	l->answers[l->answer_count++] = answer;
}

/* No list known uses 127.255.255.0/24 for a listing; Spamhaus, Validity and
 * others refuse with it. */
static void
add_universal_refusal(struct list *l)
{
	add_answer(l, (struct list_answer){ .lo = 0x7fffff00,
	    .hi = 0x7fffffff, .means = ANS_REFUSED, .weight = -1,
	    .name = xstrdup("query refused") });
}

static void
set_answers(struct list *l, const struct rows *rows, const char *zone,
    struct errors *errs)
{
	size_t i;

	for (i = 0; i < l->answer_count; i++)
		free(l->answers[i].name);
	free(l->answers);
	l->answers = NULL;
	l->answer_count = 0;
	for (i = 0; i < rows->count; i++) {
		struct answer_row *r = (struct answer_row *)rows->v + i;
		struct list_answer a = { .weight = -1, .means = ANS_LISTED };

		if ((r->code == NULL) == (r->bits == 0)) {
			errors_add(errs, &r->head.at, "%s: an answer needs "
			    "either code = \"127.0.0.2\" (or a range) or "
			    "bits = 64", zone);
			continue;
		}
		if (r->code != NULL && !parse_codes(r->code, &a.lo, &a.hi)) {
			errors_add(errs, &r->head.at, "%s: code \"%s\": must "
			    "be an address like \"127.0.0.2\" or a range like "
			    "\"127.0.0.4-127.0.0.7\"", zone, r->code);
			continue;
		}
		if (r->code != NULL && (a.lo >> 24 != 127 ||
		    a.hi >> 24 != 127)) {
			errors_add(errs, &r->head.at, "%s: code \"%s\": "
			    "answers of a list are in 127.0.0.0/8 (RFC 5782)",
			    zone, r->code);
			continue;
		}
		if (!r->means_given) {
			errors_add(errs, &r->head.at, "%s: an answer needs "
			    "means = \"listed\" (or another meaning)", zone);
			continue;
		}
		if (!answer_parse(means_words[r->means], &a.means))
			abort();	/* the two tables are ours */
		if (r->code != NULL && a.means != ANS_REFUSED &&
		    a.hi >= 0x7fffff00) {
			errors_add(errs, &r->head.at, "%s: code \"%s\": "
			    "127.255.255.0/24 is a refusal on every list and "
			    "cannot mean \"%s\"", zone, r->code,
			    means_words[r->means]);
			continue;
		}
		a.bits = (uint8_t)r->bits;
		if (r->weight_given)
			a.weight = r->weight;
		set_string(&a.name, r->name);
		add_answer(l, a);
	}
	add_universal_refusal(l);
}

/* --- test points ------------------------------------------------------- */

/* RFC 5782 section 5. */
static const struct {
	const char	*listed, *clean;
} test_defaults[SUBJECT_KINDS] = {
	[SUBJECT_IPV4] = { "127.0.0.2", "127.0.0.1" },
	[SUBJECT_IPV6] = { "::FFFF:7F00:2", "::FFFF:7F00:1" },
	[SUBJECT_DOMAIN] = { "TEST", "INVALID" },
};

static void
set_test(char **out, const char *text, enum subject_kind kind,
    const struct position *at, const char *zone, struct errors *errs)
{
	char reversed[ADDR_REVERSED_MAX];
	struct addr a;

	if (text == NULL)
		return;
	free(*out);
	*out = NULL;
	if (text[0] == '\0')
		return;
	if (kind == SUBJECT_DOMAIN) {
		*out = xstrdup(text);
		return;
	}
	if (!addr_parse_unmapped(text, &a) ||
	    a.family != (kind == SUBJECT_IPV4 ? ADDR_IPV4 : ADDR_IPV6)) {
		errors_add(errs, at, "%s: test point \"%s\" is no %s "
		    "address", zone, text, subject_kind_name(kind));
		return;
	}
	*out = xstrdup(addr_reversed(&a, reversed));
}

static void
set_tests(struct list *l, const struct test_row *t, struct errors *errs)
{
	const struct position *at = &t->head.at;

	set_test(&l->tests[SUBJECT_IPV4].listed, t->listed, SUBJECT_IPV4, at,
	    l->zone, errs);
	set_test(&l->tests[SUBJECT_IPV4].clean, t->clean, SUBJECT_IPV4, at,
	    l->zone, errs);
	set_test(&l->tests[SUBJECT_IPV6].listed, t->listed6, SUBJECT_IPV6,
	    at, l->zone, errs);
	set_test(&l->tests[SUBJECT_IPV6].clean, t->clean6, SUBJECT_IPV6, at,
	    l->zone, errs);
	set_test(&l->tests[SUBJECT_DOMAIN].listed, t->domain, SUBJECT_DOMAIN,
	    at, l->zone, errs);
	set_test(&l->tests[SUBJECT_DOMAIN].clean, t->domain_clean,
	    SUBJECT_DOMAIN, at, l->zone, errs);
}

/* --- rows -------------------------------------------------------------- */

static struct list *
new_list(struct catalog *cat, const char *zone)
{
	struct list *l;
	int k;

	cat->lists = xreallocarray(cat->lists, cat->count + 1,
	    sizeof(*cat->lists));
	l = &cat->lists[cat->count++];
	*l = (struct list){ .zone = xstrdup(zone), .operator = xstrdup(zone),
	    .weight = WEIGHT_DEFAULT, .enabled = true, .verified = true };
	l->kinds[SUBJECT_IPV4] = true;
	for (k = 0; k < SUBJECT_KINDS; k++) {
		struct position nowhere = { NULL, 0 };

		set_test(&l->tests[k].listed, test_defaults[k].listed,
		    (enum subject_kind)k, &nowhere, zone, NULL);
		set_test(&l->tests[k].clean, test_defaults[k].clean,
		    (enum subject_kind)k, &nowhere, zone, NULL);
	}
	/* The one code that RFC 5782 section 2.1 recommends; whatever else
	 * the list answers is unknown until the operator says. */
	add_answer(l, (struct list_answer){ .lo = 0x7f000002,
	    .hi = 0x7f000002, .means = ANS_LISTED, .weight = -1 });
	add_universal_refusal(l);
	return l;
}

static void
set_key(struct list *l, const char *key, const struct position *at,
    struct errors *errs)
{
	const char *mark = strstr(l->zone, KEY_MARK);

	if (key == NULL)
		return;
	if (mark == NULL) {
		errors_add(errs, at, "%s: takes no key: write {key} into the "
		    "zone where it belongs", l->zone);
		return;
	}
	/* Never show the key itself. */
	if (!label_ok(key, strlen(key)) || strcmp(key, KEY_MARK) == 0) {
		errors_add(errs, at, "%s: the key is not one label of "
		    "letters, digits and hyphens", l->zone);
		return;
	}
	free(l->query_zone);
	l->query_zone = xasprintf("%.*s%s%s", (int)(mark - l->zone), l->zone,
	    key, mark + strlen(KEY_MARK));
}

static void
set_fields(struct list *l, const struct list_row *r, struct errors *errs)
{
	size_t i, k;
	bool known = r->influence == NULL;

	set_string(&l->operator, r->operator);
	if (r->lists.given && r->lists.count == 0 && !r->lists.bad)
		errors_add(errs, &r->lists.at, "%s: lists = []: must have at "
		    "least one of \"ipv4\", \"ipv6\", \"domains\"", l->zone);
	if (r->lists.given) {
		memset(l->kinds, 0, sizeof(l->kinds));
		for (i = 0; i < r->lists.count; i++) {
			for (k = 0; k < SUBJECT_KINDS; k++) {
				if (strcmp(kind_words[k], r->lists.v[i]) == 0)
					l->kinds[k] = true;
			}
		}
	}
	if (r->weight_given)
		l->weight = r->weight;
	if (r->enabled_given)
		l->enabled = r->enabled;
	if (r->answers.given)
		set_answers(l, &r->answers, l->zone, errs);
	if (r->test.head.given)
		set_tests(l, &r->test, errs);
	if (r->expires_ms != 0)
		l->expires_ms = r->expires_ms;
	if (r->interval_ms != 0)
		l->interval_ms = r->interval_ms;
	if (r->limit != 0)
		l->limit = r->limit;
	if (r->rate != 0)
		l->rate = r->rate;
	if (r->verified_given)
		l->verified = r->verified;
	for (i = 0; influence_words[i] != NULL; i++)
		known = known || strcmp(r->influence, influence_words[i]) == 0;
	if (!known)
		errors_add(errs, &r->head.at, "%s: influence \"%s\": must be "
		    "\"high\", \"medium\", \"low\" or \"none\"", l->zone,
		    r->influence);
	set_string(&l->influence, r->influence);
	set_string(&l->lookup, r->lookup);
	set_string(&l->delist, r->delist);
	set_string(&l->note, r->note);
}

/* The row's zone, checked, or NULL with the error said. */
static char *
row_zone(const struct list_row *r, struct errors *errs)
{
	char *zone;

	if (r->zone == NULL) {
		errors_add(errs, &r->head.at,
		    "a list needs a zone = \"bl.example.net\"");
		return NULL;
	}
	if ((zone = zone_normal(r->zone)) == NULL)
		errors_add(errs, &r->head.at, "zone \"%s\" is no name of a "
		    "DNS zone like \"bl.example.net\"", r->zone);
	return zone;
}

void
catalog_apply(struct catalog *cat, const struct rows *rows,
    struct errors *errs)
{
	size_t *named = xcalloc(rows->count, sizeof(*named));
	const struct list_row *r;
	const struct denied *no;
	struct list *l;
	char *zone, *key;
	size_t i, j, named_count = 0;

	for (i = 0; i < rows->count; i++) {
		r = (const struct list_row *)rows->v + i;
		if ((zone = row_zone(r, errs)) == NULL)
			continue;
		no = find_denied(cat, zone);
		if (no != NULL && !(r->enabled_given && !r->enabled)) {
			errors_add(errs, &r->head.at, "zone \"%s\" is "
			    "refused: %s%s%s%s; remove it", zone, no->reason,
			    no->since != NULL ? " (since " : "",
			    no->since != NULL ? no->since : "",
			    no->since != NULL ? ")" : "");
			free(zone);
			continue;
		}
		key = NULL;
		if ((l = find_list(cat, zone, &key)) == NULL)
			l = new_list(cat, zone);
		for (j = 0; j < named_count; j++) {
			if (named[j] == (size_t)(l - cat->lists))
				errors_add(errs, &r->head.at, "zone \"%s\" "
				    "stands twice in lists: keep one of them",
				    l->zone);
		}
		named[named_count++] = (size_t)(l - cat->lists);
		/* Who names a list wants it, unless he says otherwise. */
		l->enabled = true;
		set_fields(l, r, errs);
		set_key(l, r->key != NULL ? r->key : key, &r->head.at, errs);
		if (l->enabled && l->query_zone == NULL &&
		    strstr(l->zone, KEY_MARK) != NULL && r->key == NULL)
			errors_add(errs, &r->head.at, "%s: needs the "
			    "operator's key: add key = \"...\"", l->zone);
		free(key);
		free(zone);
	}
	free(named);
}

static void
load_lists(struct catalog *cat, const struct rows *rows, struct errors *errs)
{
	const struct list_row *r;
	char *zone, *key;
	struct list *l;
	size_t i;

	for (i = 0; i < rows->count; i++) {
		r = (const struct list_row *)rows->v + i;
		if ((zone = row_zone(r, errs)) == NULL)
			continue;
		key = NULL;
		if (find_list(cat, zone, &key) != NULL) {
			errors_add(errs, &r->head.at, "zone \"%s\" stands "
			    "twice in the catalogue", zone);
		} else if (find_denied(cat, zone) != NULL) {
			errors_add(errs, &r->head.at, "zone \"%s\" is also "
			    "denied by the catalogue", zone);
		} else {
			l = new_list(cat, zone);
			set_fields(l, r, errs);
		}
		free(key);
		free(zone);
	}
}

static void
load_denied(struct catalog *cat, const struct rows *rows,
    struct errors *errs)
{
	const struct deny_row *r;
	struct denied *d;
	char *zone;
	size_t i;

	for (i = 0; i < rows->count; i++) {
		r = (const struct deny_row *)rows->v + i;
		if (r->zone == NULL || r->reason == NULL ||
		    (zone = zone_normal(r->zone)) == NULL) {
			errors_add(errs, &r->head.at, "an entry of deny "
			    "needs a zone and a reason");
			continue;
		}
		cat->denied = xreallocarray(cat->denied,
		    cat->denied_count + 1, sizeof(*cat->denied));
		d = &cat->denied[cat->denied_count++];
		d->zone = zone;
		d->since = xstrdup(r->since);
		d->reason = xstrdup(r->reason);
	}
}

void
catalog_load(const char *path, struct catalog *cat, struct errors *errs)
{
	struct catalog_file raw = { 0 };
	struct schema_file *f;

	f = schema_read(path, file_schema, &raw, errs);
	load_denied(cat, &raw.deny, errs);
	load_lists(cat, &raw.lists, errs);
	schema_free(file_schema, &raw);
	schema_close(f);
}

void
catalog_take_enabled(struct catalog *cat, struct list **lists, size_t *count)
{
	size_t i, kept = 0;

	*lists = NULL;
	*count = 0;
	for (i = 0; i < cat->count; i++) {
		struct list *l = &cat->lists[i];

		/* Without its key a list cannot be asked. */
		if (l->query_zone == NULL &&
		    strstr(l->zone, KEY_MARK) != NULL)
			l->enabled = false;
		if (!l->enabled) {
			cat->lists[kept++] = *l;
			continue;
		}
		if (l->query_zone == NULL)
			l->query_zone = xstrdup(l->zone);
		*lists = xreallocarray(*lists, *count + 1, sizeof(**lists));
		(*lists)[(*count)++] = *l;
	}
	cat->count = kept;
}

void
catalog_free(struct catalog *cat)
{
	size_t i;

	for (i = 0; i < cat->count; i++)
		list_clear(&cat->lists[i]);
	for (i = 0; i < cat->denied_count; i++) {
		free(cat->denied[i].zone);
		free(cat->denied[i].since);
		free(cat->denied[i].reason);
	}
	free(cat->lists);
	free(cat->denied);
	*cat = (struct catalog){ 0 };
}
