/* options_for.c - options of one method, "for.METHOD.OPTION": kept beside the table's values until it is known which method runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options_internal.h"

enum { MAX_METHODS = 64, MAX_METHOD_NAME = 32 };

bool gp_options_is_for(const char *name)
{
    return strncmp(name, "for.", 4) == 0;
}

/* The names of the methods: the choices of option "method". */
static size_t methods(const gp_options *o, char name[MAX_METHODS][MAX_METHOD_NAME])
{
    const size_t i = gp_options_find(o, "method");
    size_t n = 0;
    for (const char *c = i == SIZE_MAX ? NULL : o->table[i].choices; c && n < MAX_METHODS; n++) {
        const size_t len = strcspn(c, "|");
        if (len < MAX_METHOD_NAME) {
            memcpy(name[n], c, len);
            name[n][len] = '\0';
        }
        c = c[len] ? c + len + 1 : NULL;
    }
    return n;
}

static bool is_method(const gp_options *o, const char *s, size_t len)
{
    char name[MAX_METHODS][MAX_METHOD_NAME] = {{0}};
    const size_t n = methods(o, name);
    for (size_t i = 0; i < n; i++)
        if (strlen(name[i]) == len && memcmp(name[i], s, len) == 0) return true;
    return false;
}

/* What may differ between methods that are compared: how they learn and their own settings, not what they run on. */
static bool may_differ(const char *option, const char *method, size_t method_len)
{
    static const char *const plain[] = {"shots", "M", "ctx_init", "template", "ensemble", "logit_scale"};
    static const char *const group[] = {"optim.", "views."};
    for (size_t i = 0; i < GP_COUNT(plain); i++)
        if (strcmp(option, plain[i]) == 0) return true;
    for (size_t i = 0; i < GP_COUNT(group); i++)
        if (strncmp(option, group[i], strlen(group[i])) == 0) return true;
    /* a group named as the method or as one of its words: "tip." belongs to tip_adapter */
    const size_t len = strcspn(option, ".");
    for (size_t at = 0; option[len] && at + len <= method_len; at++)
        if (strncmp(method + at, option, len) == 0 && (at == 0 || method[at - 1] == '_') &&
            (at + len == method_len || method[at + len] == '_'))
            return true;
    return false;
}

static gopro_status unknown_method(const gp_options *o, const char *method, size_t len, const char *where, gopro_error *err)
{
    char name[MAX_METHODS][MAX_METHOD_NAME] = {{0}}, own[80];
    const char *names[MAX_METHODS];
    const size_t n = methods(o, name);
    for (size_t i = 0; i < n; i++) names[i] = name[i];
    (void)snprintf(own, sizeof own, "%.*s", (int)gp_min_size(len, 79), method);
    const char *near = gp_nearest(own, names, n);
    return gp_fail(err, GOPRO_E_INVALID, "%s: there is no method '%s' in 'for.%s'; %s%s%s", where, own, own, near ? "did you mean " : "",
                   near ? near : "expected for.METHOD.OPTION", near ? "?" : "");
}

gopro_status gp_options_set_for(gp_options *o, const char *name, const char *value, const char *where, gopro_error *err)
{
    const char *w = where ? where : "option", *method = name + 4, *dot = strchr(method, '.');
    const size_t len = dot ? (size_t)(dot - method) : strlen(method);
    if (!is_method(o, method, len)) return unknown_method(o, method, len, w, err);
    if (!dot || !dot[1]) return gp_fail(err, GOPRO_E_INVALID, "%s: %.80s names no option, expected for.METHOD.OPTION", w, name);
    const size_t i = gp_options_find(o, dot + 1);
    if (i == SIZE_MAX) return gp_options_unknown(o, dot + 1, w, err);
    if (!may_differ(dot + 1, method, len))
        return gp_fail(err, GOPRO_E_INVALID, "%s: %s cannot be set for one method only (%.80s)", w, dot + 1, name);
    gp_opt_for f = {.i = i};
    GP_TRY(gp_options_parse(&f.v, &o->table[i], value, w, err));
    gp_opt_for *old = (gp_opt_for *)(uintptr_t)gp_options_find_for(o, name);
    if (old) {
        free(old->v.text);
        old->v = f.v;
        return GOPRO_OK;
    }
    gp_opt_for *more = realloc(o->of, (o->n_of + 1) * sizeof *more);
    if (more) o->of = more;
    f.method = more ? gp_sprintf("%.*s", (int)len, method) : NULL;
    if (!f.method) {
        free(f.v.text);
        return gp_fail_nomem(err, (o->n_of + 1) * sizeof *more, "options");
    }
    o->of[o->n_of++] = f;
    return GOPRO_OK;
}

const gp_opt_for *gp_options_find_for(const gp_options *o, const char *name)
{
    for (size_t k = 0; k < o->n_of; k++) {
        const gp_opt_for *f = &o->of[k];
        const size_t len = strlen(f->method);
        if (strncmp(name + 4, f->method, len) == 0 && name[4 + len] == '.' && strcmp(name + 5 + len, o->table[f->i].name) == 0) return f;
    }
    return NULL;
}

bool gp_options_for_group(const gp_options *o, const char *prefix, size_t len)
{
    if (len == 4) return true;
    const char *method = prefix + 4, *dot = memchr(method, '.', len - 4);
    if (!dot || !is_method(o, method, (size_t)(dot - method))) return false;
    const size_t rest = len - (size_t)(dot + 1 - prefix);
    for (size_t i = 0; i < o->n; i++)
        if (strncmp(o->table[i].name, dot + 1, rest) == 0) return true;
    return false;
}

bool gp_options_clone_for(gp_options *to, const gp_options *from)
{
    if (from->n_of == 0) return true;
    to->of = calloc(from->n_of, sizeof *to->of);
    for (size_t k = 0; to->of && k < from->n_of; k++) {
        gp_opt_for f = from->of[k];
        f.method = gp_strdup(f.method);
        f.v.text = gp_strdup(f.v.text);
        to->of[to->n_of++] = f;
        if (!f.method || !f.v.text) return false;
    }
    return to->of != NULL;
}

void gp_options_drop_for(gp_options *o)
{
    for (size_t k = 0; k < o->n_of; k++) {
        free(o->of[k].method);
        free(o->of[k].v.text);
    }
    free(o->of);
    o->of = NULL;
    o->n_of = 0;
}

gopro_status gp_options_resolve(gp_options *o, gopro_error *err)
{
    const char *method = gp_opt_string(o, "method");
    for (size_t k = 0; k < o->n_of; k++)
        if (strcmp(o->of[k].method, method) == 0) GP_TRY(gp_options_set_at(o, o->of[k].i, o->of[k].v.text, "for", err));
    gp_options_drop_for(o);
    return GOPRO_OK;
}

const char *gp_options_text(const gp_options *o, const char *name)
{
    if (gp_options_is_for(name)) {
        const gp_opt_for *f = gp_options_find_for(o, name);
        return f ? f->v.text : NULL;
    }
    const size_t i = gp_options_find(o, name);
    return i == SIZE_MAX ? NULL : o->v[i].text;
}
