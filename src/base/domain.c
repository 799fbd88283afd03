/*
 * domain.c - domain names as lists are asked about them
 *
 * The only file that knows libpsl and libidn2.
 */
#include "base/domain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <idn2.h>
#include <libpsl.h>

/* Labels of letters, digits, hyphens and, as in the wild, underscores. */
static const char *
check_labels(const char *name)
{
	const char *p = name;
	size_t n, i;

	if (strlen(name) >= DOMAIN_MAX)
		return "is longer than a domain name can be";
	for (;;) {
		n = strcspn(p, ".");
		if (n == 0)
			return "has an empty label";
		if (n > 63)
			return "has a label of more than 63 characters";
		for (i = 0; i < n; i++) {
			if (!isalnum((unsigned char)p[i]) && p[i] != '-' &&
			    p[i] != '_')
				return "has a character that no domain name "
				    "has";
		}
		if (p[n] == '\0')
			return NULL;
		p += n + 1;
	}
}

const char *
domain_normal(const char *text, char out[DOMAIN_MAX])
{
	char *ascii = NULL, *p;
	const char *wrong;
	size_t len;

	if (text[0] == '\0')
		return "is empty";
	if (idn2_to_ascii_8z(text, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) {
		/* Underscores are no business of IDNA. */
		free(ascii);
		if ((ascii = strdup(text)) == NULL)
			return "cannot be kept: out of memory";
	}
	len = strlen(ascii);
	if (len > 1 && ascii[len - 1] == '.')
		ascii[--len] = '\0';
	for (p = ascii; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	if ((wrong = check_labels(ascii)) == NULL)
		memcpy(out, ascii, len + 1);
	free(ascii);
	return wrong;
}

const char *
domain_registered(const char *name)
{
	const char *r = psl_registrable_domain(psl_builtin(), name);

	return r != NULL ? r : name;
}

bool
domain_within(const char *name, const char *domain)
{
	size_t ln = strlen(name), ld = strlen(domain);

	return ln >= ld && strcasecmp(name + ln - ld, domain) == 0 &&
	    (ln == ld || name[ln - ld - 1] == '.');
}
