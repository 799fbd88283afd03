/*
 * providers.c - etc/providers.conf: receivers with a block list of their own
 */
#include "conf/providers.h"

#include <stdio.h>
#include <string.h>

#include "base/domain.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/schema.h"

struct provider_row {
	struct group_head	 head;
	char			*name, *note;
	struct strings		 domains;
};

struct providers_file {
	struct group_head	 head;
	struct rows		 providers;
};

static const struct setting row_schema[] = {
	{ "name", SET_STRING, .offset = offsetof(struct provider_row, name) },
	{ "domains", SET_STRINGS,
	    .offset = offsetof(struct provider_row, domains) },
	{ "note", SET_STRING, .offset = offsetof(struct provider_row, note) },
	{ 0 }
};

static const struct setting file_schema[] = {
	{ "providers", SET_GROUPS,
	    .offset = offsetof(struct providers_file, providers),
	    .children = row_schema, .size = sizeof(struct provider_row) },
	{ 0 }
};

static bool
name_ok(const char *name)
{
	return name != NULL && name[0] != '\0' && strlen(name) <= 64 &&
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] ==
	    '\0';
}

static void
add_domains(struct policy *p, struct provider *to,
    const struct provider_row *r, struct errors *errs)
{
	char normal[DOMAIN_MAX];
	const char *wrong;
	size_t i;
	int other;

	to->domains = xcalloc(r->domains.count, sizeof(*to->domains));
	for (i = 0; i < r->domains.count; i++) {
		if ((wrong = domain_normal(r->domains.v[i], normal)) != NULL) {
			errors_add(errs, &r->domains.at, "domains: \"%s\" %s",
			    r->domains.v[i], wrong);
			continue;
		}
		other = policy_find_provider(p, normal);
		if (other != -1) {
			errors_add(errs, &r->domains.at, "domains: \"%s\" "
			    "belongs to provider \"%s\" already",
			    r->domains.v[i], p->providers[other].name);
			continue;
		}
		to->domains[to->domain_count++] = xstrdup(normal);
	}
	if (r->domains.count == 0)
		errors_add(errs, &r->head.at, "provider \"%s\" needs "
		    "domains = [\"example.com\"]", to->name);
}

void
providers_load(const char *path, struct policy *p, struct errors *errs)
{
	struct providers_file raw = { 0 };
	struct schema_file *f = schema_read(path, file_schema, &raw, errs);
	const struct provider_row *r;
	size_t i, k;

	p->providers = xcalloc(raw.providers.count, sizeof(*p->providers));
	for (i = 0; i < raw.providers.count; i++) {
		r = (const struct provider_row *)raw.providers.v + i;
		if (!name_ok(r->name)) {
			errors_add(errs, &r->head.at, "a provider needs a "
			    "name = \"example\" of small letters, digits, "
			    "'-', '_' and '.'");
			continue;
		}
		for (k = 0; k < p->provider_count; k++) {
			if (strcmp(p->providers[k].name, r->name) == 0)
				break;
		}
		if (k < p->provider_count) {
			errors_add(errs, &r->head.at, "provider \"%s\" "
			    "stands twice", r->name);
			continue;
		}
		p->providers[p->provider_count].name = xstrdup(r->name);
		add_domains(p, &p->providers[p->provider_count], r, errs);
		p->provider_count++;
	}
	schema_free(file_schema, &raw);
	schema_close(f);
}
