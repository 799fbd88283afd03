/*
 * test_domain.c - domain names as lists are asked about them
 */
#include "unit.h"

#include <string.h>

#include "base/domain.h"

#define LABEL_63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct normal_row {
	const char	*claim;
	const char	*text;
	const char	*normal;	/* NULL: refused */
	const char	*wrong;
} normal_rows[] = {
	{ "a name is itself", "example.org", "example.org", NULL },
	{ "capitals are small", "EXAMPLE.Org", "example.org", NULL },
	{ "the final dot goes", "example.org.", "example.org", NULL },
	{ "an international name is its A-label", "b\xc3\xbc" "cher.example",
	    "xn--bcher-kva.example", NULL },
	{ "in any letters", "B\xc3\x9c" "CHER.example",
	    "xn--bcher-kva.example", NULL },
	{ "an A-label stays", "xn--bcher-kva.example",
	    "xn--bcher-kva.example", NULL },
	{ "an underscore is met with", "_spf.example.org",
	    "_spf.example.org", NULL },
	{ "one label", "localhost", "localhost", NULL },
	{ "the longest label", LABEL_63 ".org", LABEL_63 ".org", NULL },
	{ "nothing", "", NULL, "is empty" },
	{ "a dot alone", ".", NULL, "" },
	{ "a dot before", ".example.org", NULL, "empty label" },
	{ "two dots", "example..org", NULL, "empty label" },
	{ "a label too long", LABEL_63 "a.org", NULL, "63" },
	{ "a space", "exam ple.org", NULL, "character" },
	{ "a mailbox", "ann@example.org", NULL, "character" },
	{ "a line end", "example.org\n", NULL, "character" },
	{ "bytes that are no UTF-8", "b\xfc" "cher.example", NULL, "" },
	{ "a name too long", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63
	    ".org", NULL, "longer" },
};

static void
test_normal(void **state)
{
	const struct normal_row *r = *state;
	char out[DOMAIN_MAX] = "#";
	const char *wrong = domain_normal(r->text, out);

	if (r->normal == NULL) {
		assert_non_null(wrong);
		unit_says(wrong, r->wrong);
		assert_string_equal(out, "#");		/* untouched */
		return;
	}
	if (wrong != NULL)
		fail_msg("%s", wrong);
	assert_string_equal(out, r->normal);
}

static const struct registered_row {
	const char	*claim;
	const char	*name;
	const char	*registered;
} registered_rows[] = {
	{ "below a top-level domain", "www.example.org", "example.org" },
	{ "itself", "example.org", "example.org" },
	{ "below a public suffix of two labels", "a.b.example.co.uk",
	    "example.co.uk" },
	{ "a public suffix is itself", "co.uk", "co.uk" },
	{ "a top-level domain is itself", "org", "org" },
	{ "a host name is itself", "localhost", "localhost" },
};

static void
test_registered(void **state)
{
	const struct registered_row *r = *state;

	assert_string_equal(domain_registered(r->name), r->registered);
}

static const struct within_row {
	const char	*claim;
	const char	*name, *domain;
	bool		 within;
} within_rows[] = {
	{ "a domain is within itself", "example.org", "example.org", true },
	{ "in any letters", "EXAMPLE.org", "example.ORG", true },
	{ "what is below it is", "a.b.example.org", "example.org", true },
	{ "what only ends alike is not", "myexample.org", "example.org",
	    false },
	{ "what is above it is not", "org", "example.org", false },
	{ "another is not", "example.net", "example.org", false },
	{ "nothing is not", "", "example.org", false },
};

static void
test_within(void **state)
{
	const struct within_row *r = *state;

	assert_int_equal(domain_within(r->name, r->domain), r->within);
}

int
main(void)
{
	unit_rows(normal_rows, test_normal);
	unit_rows(registered_rows, test_registered);
	unit_rows(within_rows, test_within);
	return unit_run("domain");
}
