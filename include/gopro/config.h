/* config.h - options by name; the same table feeds configuration files, key=value arguments and --help.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_CONFIG_H
#define GOPRO_CONFIG_H

#include <stdbool.h>

#include "gopro/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gopro_config gopro_config;

GOPRO_API gopro_status gopro_config_create(gopro_config **config, gopro_error *err); /* all defaults */
GOPRO_API void gopro_config_free(gopro_config **config);

/* name: an option's, or "for.METHOD.OPTION" for one method only.  What holds in a run, from the most specific: for.METHOD.OPTION, the
 * option itself, the method's default, the table's. GOPRO_E_INVALID for an unknown name (the message gives the nearest) or a value outside
 * its range. */
GOPRO_API gopro_status gopro_config_set(gopro_config *config, const char *name, const char *value, gopro_error *err);
GOPRO_API gopro_status gopro_config_load(gopro_config *config, const char *yaml_file, gopro_error *err);

/* The value as text; malloc'ed, free with gopro_string_free.  NULL for an unknown name or when out of memory. */
GOPRO_API char *gopro_config_get(const gopro_config *config, const char *name);
/* True if the option was set, whatever the value; false: it has its default, which a method may replace by its own. */
GOPRO_API bool gopro_config_is_set(const gopro_config *config, const char *name);
GOPRO_API char *gopro_config_yaml(const gopro_config *config);
GOPRO_API void gopro_string_free(char *text);

/* The table: name, default, help of option i; NULL beyond the last. */
GOPRO_API size_t gopro_option_count(void);
GOPRO_API const char *gopro_option_name(size_t i);
GOPRO_API const char *gopro_option_default(size_t i);
GOPRO_API const char *gopro_option_choices(size_t i); /* "a|b|c" or NULL */
GOPRO_API const char *gopro_option_help(size_t i);

/* The methods: name (as option `method` takes it) and title ("CoOp") of method m; NULL beyond the last. */
GOPRO_API size_t gopro_method_count(void);
GOPRO_API const char *gopro_method_name(size_t m);
GOPRO_API const char *gopro_method_title(size_t m);
/* Default setting i of method m: the option, its value in base-to-new (*base) and when training on all classes (*all); NULL beyond the
 * last.  Other options have the table's default. */
GOPRO_API const char *gopro_method_default(size_t m, size_t i, const char **base, const char **all);

#ifdef __cplusplus
}
#endif
#endif
