/*
 * config_schema.h - the table of settings of mailbrake.conf
 *
 * For the loader, and for the test that manual and sample have them all.
 */
#ifndef MAILBRAKE_CONF_CONFIG_SCHEMA_H
#define MAILBRAKE_CONF_CONFIG_SCHEMA_H

#include "conf/schema.h"

/* Set by the build from the usual directories. */
#ifndef DEFAULT_CONFIG
#define DEFAULT_CONFIG		"/etc/mailbrake/mailbrake.conf"
#endif
#ifndef DEFAULT_CATALOGUE
#define DEFAULT_CATALOGUE	"/usr/share/mailbrake/lists.conf"
#endif
#ifndef DEFAULT_STATE_FILE
#define DEFAULT_STATE_FILE	"/var/lib/mailbrake/state"
#endif
#ifndef DEFAULT_HOOKS
#define DEFAULT_HOOKS		"/etc/mailbrake/hooks.d"
#endif
#ifndef DEFAULT_RUN_DIR
#define DEFAULT_RUN_DIR		"/run/mailbrake"
#endif
#define DEFAULT_CONTROL		"unix:" DEFAULT_RUN_DIR "/control.sock"

extern const struct setting	config_schema[];

#endif
