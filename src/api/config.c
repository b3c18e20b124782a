/* config.c - options of the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/str.h"
#include "methods/method.h"
#include "train/rundir.h"

gopro_status gopro_config_create(gopro_config **config, gopro_error *err)
{
    if (!config) return gp_fail(err, GOPRO_E_INVALID, "config is NULL");
    gopro_config *c = calloc(1, sizeof *c);
    *config = c;
    if (c && (c->o = gp_options_create())) return GOPRO_OK;
    gopro_config_free(config);
    return gp_fail_nomem(err, sizeof *c, "a configuration");
}

void gopro_config_free(gopro_config **config)
{
    if (!config || !*config) return;
    gp_options_free(&(*config)->o);
    free(*config);
    *config = NULL;
}

gopro_status gopro_config_set(gopro_config *config, const char *name, const char *value, gopro_error *err)
{
    if (!config || !name || !value) return gp_fail(err, GOPRO_E_INVALID, "config, name or value is NULL");
    return gp_options_set(config->o, name, value, "argument", err);
}

gopro_status gopro_config_load(gopro_config *config, const char *yaml_file, gopro_error *err)
{
    if (!config || !yaml_file) return gp_fail(err, GOPRO_E_INVALID, "config or yaml_file is NULL");
    return gp_options_load_yaml(config->o, yaml_file, err);
}

char *gopro_config_get(const gopro_config *config, const char *name)
{
    for (size_t i = 0; i < gp_n_opts; i++)
        if (strcmp(gp_opts[i].name, name) == 0) return gp_option_text(config->o, i);
    const char *text = gp_options_text(config->o, name); /* for.METHOD.OPTION */
    return text ? gp_strdup(text) : NULL;
}

bool gopro_config_is_set(const gopro_config *config, const char *name)
{
    for (size_t i = 0; config && name && i < gp_n_opts; i++)
        if (strcmp(gp_opts[i].name, name) == 0) return gp_opt_is_set(config->o, name);
    return false;
}

char *gopro_config_yaml(const gopro_config *config)
{
    gp_str b = {0};
    if (gp_options_to_yaml(config->o, &b) == GOPRO_OK && !b.failed) return b.s;
    gp_str_free(&b);
    return NULL;
}

void gopro_string_free(char *text)
{
    free(text);
}

size_t gopro_option_count(void)
{
    return gp_n_opts;
}

const char *gopro_option_name(size_t i)
{
    return i < gp_n_opts ? gp_opts[i].name : NULL;
}

const char *gopro_option_default(size_t i)
{
    return i < gp_n_opts ? gp_opts[i].value : NULL;
}

const char *gopro_option_choices(size_t i)
{
    return i < gp_n_opts ? gp_opts[i].choices : NULL;
}

const char *gopro_option_help(size_t i)
{
    return i < gp_n_opts ? gp_opts[i].help : NULL;
}

size_t gopro_method_count(void)
{
    return gp_n_methods;
}

const char *gopro_method_name(size_t m)
{
    return m < gp_n_methods ? gp_methods[m]->name : NULL;
}

const char *gopro_method_title(size_t m)
{
    return m < gp_n_methods ? gp_methods[m]->title : NULL;
}

const char *gopro_method_default(size_t m, size_t i, const char **base, const char **all)
{
    const gp_method_default *d = m < gp_n_methods ? gp_methods[m]->defaults : NULL;
    for (; d && d->option && i > 0; i--) d++;
    if (!d || !d->option) return NULL;
    *base = d->base;
    *all = d->all;
    return d->option;
}
