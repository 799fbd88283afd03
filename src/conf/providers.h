/*
 * providers.h - etc/providers.conf: receivers with a block list of their own
 */
#ifndef MAILBRAKE_CONF_PROVIDERS_H
#define MAILBRAKE_CONF_PROVIDERS_H

#include "conf/errors.h"
#include "core/policy.h"

/* Reads the file into policy->providers.  What is wrong goes to errs. */
void	providers_load(const char *path, struct policy *, struct errors *errs);

#endif
