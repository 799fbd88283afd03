/*
 * config.h - mailbrake.conf as a struct
 *
 * Text ends here: what comes out is typed, checked and complete with
 * defaults, and nobody else reads a file of settings.  See
 * mailbrake.conf(5) for what each setting means.
 */
#ifndef MAILBRAKE_CONF_CONFIG_H
#define MAILBRAKE_CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "conf/errors.h"
#include "core/policy.h"

struct config {
	struct policy	*policy;	/* one reference */
	bool		 egress_given;	/* false: to be found from the routes
					 * by config_set_host_egress() */
	/* check */
	int64_t		 interval_ms;
	int64_t		 timeout_ms;
	int		 tries;
	int		 parallel;
	int64_t		 confirm_delay_ms;
	struct endpoint	*resolvers;	/* none: those of resolv.conf */
	size_t		 resolver_count;

	/* listen; ENDPOINT_NONE: not offered */
	struct endpoint	 milter;
	struct endpoint	 policy_service;
	struct endpoint	 socketmap;
	struct endpoint	 control;
	struct endpoint	 http;
	char		*socket_group;	/* NULL: postfix where there is one */

	/* redis */
	bool		 has_redis;
	struct endpoint	 redis_server;
	char		*redis_prefix;
	char		*redis_username, *redis_password;
	char		*redis_password_file;
	int		 redis_database;
	bool		 redis_share;	/* who asks the lists */
	bool		 redis_tls;
	bool		 redis_tls_verify;
	char		*redis_tls_ca, *redis_tls_cert, *redis_tls_key;
	char		*redis_tls_server_name;
	struct endpoint	*redis_sentinels;
	size_t		 redis_sentinel_count;
	char		*redis_master_name;
	char		*redis_sentinel_username, *redis_sentinel_password;

	char		*state_file;	/* "" for none */
	char		*gate_file;	/* the same; may begin with "hash:" */
	bool		 gate_file_given;
	char		*postfix_config;/* its directory; "" the default */
	bool		 postfix_flush;	/* may its queue be flushed */
	char		*hooks;		/* the directory; "" for none */
	bool		 hooks_given;
	int64_t		 hooks_timeout_ms;
	char		*user;
	bool		 user_given;
	char		*file;		/* where this was read from */
};

/*
 * Reads path and the catalogue that it names.  NULL if there was any error
 * (warnings are no errors); errs then says everything that is wrong.
 */
struct config	*config_load(const char *path, struct errors *errs);
void		 config_free(struct config *);

/*
 * The one egress "default" of a host whose file names none.  addrs are the
 * source addresses of its default routes; those that are not public are
 * not watched, and a warning says what to do.
 */
void		 config_set_host_egress(struct config *,
		    const struct addr *addrs, size_t count,
		    struct errors *errs);

#endif
