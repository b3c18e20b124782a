/* options.c - values of the option table: checking, getters and how they are written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options_internal.h"

enum { MAX_TEXT = 4096, MAX_LIST = 4096 };

static const gp_opt_value unset = {.text = NULL};

size_t gp_options_find(const gp_options *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->table[i].name, name) == 0) return i;
    return SIZE_MAX;
}

static bool parse_digits(int64_t *out, const char *s, size_t len)
{
    char buf[24];
    if (len == 0 || len >= sizeof buf) return false;
    memcpy(buf, s, len);
    buf[len] = '\0';
    const size_t sign = buf[0] == '-';
    if (buf[sign] == '\0' || buf[sign + strspn(buf + sign, "0123456789")] != '\0') return false;
    errno = 0;
    const long long v = strtoll(buf, NULL, 10);
    *out = (int64_t)v;
    return errno == 0;
}

static bool in_range(const gp_opt *t, double v)
{
    return v >= t->min && v <= t->max;
}

static bool is_choice(const char *choices, const char *s)
{
    const size_t n = strlen(s);
    for (const char *c = choices; c;) {
        const char *bar = strchr(c, '|');
        const size_t len = bar ? (size_t)(bar - c) : strlen(c);
        if (len == n && memcmp(c, s, n) == 0) return true;
        c = bar ? bar + 1 : NULL;
    }
    return false;
}

/* Elements "7" and ranges "1-3" between commas; SIZE_MAX if s is anything else or out of range. */
static size_t parse_list(const gp_opt *t, const char *s, int64_t *v, size_t cap)
{
    size_t n = 0;
    while (*s == ' ') s++;
    if (*s == '\0') return 0;
    for (;;) {
        const size_t len = strcspn(s, ",");
        size_t a = len;
        while (a && s[a - 1] == ' ') a--;
        const char *dash = a > 1 ? memchr(s + 1, '-', a - 1) : NULL;
        const size_t first = dash ? (size_t)(dash - s) : a;
        int64_t lo, hi;
        if (!parse_digits(&lo, s, first)) return SIZE_MAX;
        hi = lo;
        if (dash && !parse_digits(&hi, dash + 1, a - first - 1)) return SIZE_MAX;
        if (hi < lo || !in_range(t, (double)lo) || !in_range(t, (double)hi)) return SIZE_MAX;
        if ((uint64_t)hi - (uint64_t)lo >= MAX_LIST - n) return SIZE_MAX;
        for (int64_t x = lo;; x++) {
            if (n < cap) v[n] = x;
            n++;
            if (x == hi) break;
        }
        s += len;
        if (*s == '\0') return n;
        for (s++; *s == ' ';) s++;
    }
}

static bool parse_bool(bool *out, const char *s)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < GP_COUNT(yes); i++) {
        if (strcmp(s, yes[i]) == 0) return *out = true, true;
        if (strcmp(s, no[i]) == 0) return *out = false, true;
    }
    return false;
}

/* Text that a configuration file can hold: valid UTF-8 without control characters. */
static bool plain_utf8(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        if (*p < 0x80) {
            if (*p < 0x20 || *p == 0x7f) return false;
            p++;
            continue;
        }
        const size_t n = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        if (*p < 0xc2 || *p > 0xf4) return false;
        uint32_t c = *p++ & (0x3fu >> n);
        for (size_t i = 0; i < n; i++, p++) {
            if ((*p & 0xc0) != 0x80) return false;
            c = c << 6 | (*p & 0x3fu);
        }
        const uint32_t least = n == 1 ? 0x80 : n == 2 ? 0x800 : 0x10000;
        if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < 0xa0) return false;
        if (c == 0xfeff || (c & 0xfffe) == 0xfffe || c == 0x2028 || c == 0x2029) return false;
    }
    return true;
}

static gopro_status parse_value(gp_opt_value *v, const gp_opt *t, const char *s, const char *where, gopro_error *err)
{
    const char *w = where ? where : "option";
    switch (t->type) {
    case GP_OPT_BOOL:
        if (!parse_bool(&v->boolean, s)) return gp_fail(err, GOPRO_E_INVALID, "%s: %s is '%.80s', expected 0 or 1", w, t->name, s);
        break;
    case GP_OPT_INT:
        if (!parse_digits(&v->integer, s, strlen(s)) || !in_range(t, (double)v->integer))
            return gp_fail(err, GOPRO_E_INVALID, "%s: %s is '%.80s', expected an integer from %.0f to %.0f", w, t->name, s, t->min, t->max);
        break;
    case GP_OPT_REAL:
        if (!gp_parse_real(&v->real, s) || !in_range(t, v->real))
            return gp_fail(err, GOPRO_E_INVALID, "%s: %s is '%.80s', expected a number from %g to %g", w, t->name, s, t->min, t->max);
        break;
    case GP_OPT_CHOICE:
        if (!is_choice(t->choices, s))
            return gp_fail(err, GOPRO_E_INVALID, "%s: %s is '%.80s', expected one of %s", w, t->name, s, t->choices);
        break;
    case GP_OPT_STRING:
        if (strlen(s) > MAX_TEXT || !plain_utf8(s))
            return gp_fail(err, GOPRO_E_INVALID, "%s: %s is not UTF-8 without control characters of at most %d bytes", w, t->name,
                           (int)MAX_TEXT);
        v->real = 0;
        if (t->choices && !is_choice(t->choices, s) && (!gp_parse_real(&v->real, s) || !in_range(t, v->real)))
            return gp_fail(err, GOPRO_E_INVALID, "%s: %s is '%.80s', expected one of %s or a number from %g to %g", w, t->name, s,
                           t->choices, t->min, t->max);
        break;
    case GP_OPT_INT_LIST:
        if (parse_list(t, s, NULL, 0) == SIZE_MAX)
            return gp_fail(err, GOPRO_E_INVALID,
                           "%s: %s is '%.80s', expected integers from %.0f to %.0f as '1,2,3' or '1-3', at most %d of them", w, t->name, s,
                           t->min, t->max, (int)MAX_LIST);
        break;
    }
    return GOPRO_OK;
}

gopro_status gp_options_parse(gp_opt_value *v, const gp_opt *t, const char *s, const char *where, gopro_error *err)
{
    *v = (gp_opt_value){.set = true};
    GP_TRY(parse_value(v, t, s, where, err));
    v->text = gp_strdup(t->type == GP_OPT_BOOL ? (v->boolean ? "1" : "0") : s);
    return v->text ? GOPRO_OK : gp_fail_nomem(err, strlen(s) + 1, "option value");
}

gopro_status gp_options_set_at(gp_options *o, size_t i, const char *value, const char *where, gopro_error *err)
{
    gp_opt_value v;
    GP_TRY(gp_options_parse(&v, &o->table[i], value, where, err));
    free(o->v[i].text);
    o->v[i] = v;
    return GOPRO_OK;
}

gopro_status gp_options_unknown(const gp_options *o, const char *name, const char *where, gopro_error *err)
{
    const char *near = NULL, **names = calloc(2 * o->n + 1, sizeof *names);
    char *groups = calloc(o->n + 1, 64);
    if (names && groups) {
        size_t n = 0;
        for (size_t i = 0; i < o->n; i++) {
            const char *dot = strchr(o->table[i].name, '.');
            names[n++] = o->table[i].name;
            if (!dot || dot - o->table[i].name > 63 || strchr(name, '.')) continue;
            memcpy(groups + 64 * i, o->table[i].name, (size_t)(dot - o->table[i].name));
            names[n++] = groups + 64 * i;
        }
        near = gp_nearest(name, names, n);
    }
    const char *w = where ? where : "option";
    gopro_status st;
    if (near)
        st = gp_fail(err, GOPRO_E_INVALID, "%s: there is no option '%.80s'; did you mean %s?", w, name, near);
    else
        st = gp_fail(err, GOPRO_E_INVALID, "%s: there is no option '%.80s'; --help lists them", w, name);
    free(names);
    free(groups);
    return st;
}

gopro_status gp_options_set(gp_options *o, const char *name, const char *value, const char *where, gopro_error *err)
{
    if (gp_options_is_for(name)) return gp_options_set_for(o, name, value, where, err);
    const size_t i = gp_options_find(o, name);
    if (i == SIZE_MAX) return gp_options_unknown(o, name, where, err);
    return gp_options_set_at(o, i, value, where, err);
}

gopro_status gp_options_set_default(gp_options *o, const char *name, const char *value, gopro_error *err)
{
    const size_t i = gp_options_find(o, name);
    if (i == SIZE_MAX) return gp_options_unknown(o, name, "default", err);
    if (o->v[i].set) return GOPRO_OK;
    GP_TRY(gp_options_set_at(o, i, value, "default", err));
    o->v[i].set = false;
    return GOPRO_OK;
}

gp_options *gp_options_create_for(const gp_opt *table, size_t n)
{
    gp_options *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    *o = (gp_options){.table = table, .n = n, .v = calloc(n ? n : 1, sizeof *o->v)};
    bool ok = o->v != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const gopro_status st = gp_options_set_at(o, i, table[i].value, "default", NULL);
        assert(st != GOPRO_E_INVALID); /* a default outside its own range */
        ok = st == GOPRO_OK;
        o->v[i].set = false;
    }
    if (!ok) gp_options_free(&o);
    return o;
}

gp_options *gp_options_create(void)
{
    return gp_options_create_for(gp_opts, gp_n_opts);
}

gp_options *gp_options_clone(const gp_options *o)
{
    gp_options *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    *c = (gp_options){.table = o->table, .n = o->n, .v = calloc(o->n ? o->n : 1, sizeof *c->v)};
    bool ok = c->v != NULL;
    for (size_t i = 0; ok && i < o->n; i++) {
        c->v[i] = o->v[i];
        c->v[i].text = gp_strdup(o->v[i].text);
        ok = c->v[i].text != NULL;
    }
    if (!ok || !gp_options_clone_for(c, o)) gp_options_free(&c);
    return c;
}

void gp_options_free(gp_options **o)
{
    if (!o || !*o) return;
    for (size_t i = 0; (*o)->v && i < (*o)->n; i++) free((*o)->v[i].text);
    free((*o)->v);
    gp_options_drop_for(*o);
    free(*o);
    *o = NULL;
}

static const gp_opt_value *get(const gp_options *o, const char *name, gp_opt_type type)
{
    const size_t i = gp_options_find(o, name);
    assert(i != SIZE_MAX);
    if (i == SIZE_MAX) return &unset;
    assert(o->table[i].type == type || (type == GP_OPT_STRING && o->table[i].type == GP_OPT_CHOICE));
    (void)type;
    return &o->v[i];
}

bool gp_opt_bool(const gp_options *o, const char *name)
{
    return get(o, name, GP_OPT_BOOL)->boolean;
}

int64_t gp_opt_int(const gp_options *o, const char *name)
{
    return get(o, name, GP_OPT_INT)->integer;
}

double gp_opt_real(const gp_options *o, const char *name)
{
    const size_t i = gp_options_find(o, name);
    assert(i != SIZE_MAX);
    if (i == SIZE_MAX) return 0;
    return o->table[i].type == GP_OPT_INT ? (double)o->v[i].integer : o->v[i].real;
}

const char *gp_opt_string(const gp_options *o, const char *name)
{
    const char *s = get(o, name, GP_OPT_STRING)->text;
    return s ? s : "";
}

bool gp_opt_is(const gp_options *o, const char *name, const char *choice)
{
    return strcmp(gp_opt_string(o, name), choice) == 0;
}

bool gp_opt_is_set(const gp_options *o, const char *name)
{
    const size_t i = gp_options_find(o, name);
    assert(i != SIZE_MAX);
    return i != SIZE_MAX && o->v[i].set;
}

size_t gp_opt_int_list(const gp_options *o, const char *name, int64_t *v, size_t cap)
{
    const size_t i = gp_options_find(o, name);
    assert(i != SIZE_MAX && o->table[i].type == GP_OPT_INT_LIST);
    if (i == SIZE_MAX || o->table[i].type != GP_OPT_INT_LIST) return 0;
    return parse_list(&o->table[i], o->v[i].text, v, cap);
}
