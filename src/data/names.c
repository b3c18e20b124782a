/* names.c - class names from a file: one a line, "key TAB name", "key name" (as ImageNet's classnames.txt), or JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "data/dataset_int.h"

#define MAX_NAMES_BYTES ((size_t)64 << 20)

typedef struct entry {
    char *key, *name; /* key NULL: the file says only names */
} entry;

struct gp_names {
    gp_strings *pool;
    char *what;
    entry *e;
    size_t n, cap;
    bool keyed;      /* every entry has a key of its own */
    gp_intern whole; /* lines as they stand, or the keys */
    gp_intern first; /* first words of the lines, when every line has two */
};

void gp_names_free(gp_names **m)
{
    if (!m || !*m) return;
    gp_intern_free(&(*m)->whole);
    gp_intern_free(&(*m)->first);
    gp_strings_free(&(*m)->pool);
    free((*m)->e);
    free(*m);
    *m = NULL;
}

static gopro_status add(gp_names *m, const char *key, size_t n_key, const char *name, size_t n_name, gopro_error *err)
{
    const size_t at = m->n + 1;
    if (n_name == 0 || (key && n_key == 0))
        return gp_fail(err, GOPRO_E_DATA, "'%s': entry %zu is empty; expected a class name", m->what, at);
    if (!gp_utf8_ok(name, n_name) || (key && !gp_utf8_ok(key, n_key)))
        return gp_fail(err, GOPRO_E_DATA, "'%s': entry %zu is not valid UTF-8", m->what, at);
    if (!gp_text_is_plain(name, n_name)) return gp_fail(err, GOPRO_E_DATA, "'%s': entry %zu holds a control character", m->what, at);
    if (m->n >= GP_MAX_LABEL) return gp_fail(err, GOPRO_E_DATA, "'%s': more than %zu class names", m->what, GP_MAX_LABEL);
    if (m->n == m->cap) {
        const size_t cap = m->cap ? 2 * m->cap : 64;
        entry *v = reallocarray(m->e, cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "class names");
        m->e = v;
        m->cap = cap;
    }
    entry *e = &m->e[m->n];
    *e = (entry){.key = key ? gp_strings_add(m->pool, key, n_key) : NULL, .name = gp_strings_add(m->pool, name, n_name)};
    if (!e->name || (key && !e->key)) return gp_fail_nomem(err, n_name, "class names");
    m->n++;
    return GOPRO_OK;
}

static gopro_status read_json(gp_names *m, const char *text, size_t size, gopro_error *err)
{
    json_error_t je;
    json_t *j = gp_json_load(text, size, GP_JSON_MOST, &je), *v;
    const char *key;
    size_t i;
    gopro_status st = GOPRO_OK;
    if (!j) return gp_fail(err, GOPRO_E_DATA, "'%s' line %d: %s", m->what, je.line, je.text);
    if (json_is_object(j)) {
        m->keyed = true;
        json_object_foreach(j, key, v)
        {
            if (!json_is_string(v)) st = gp_fail(err, GOPRO_E_DATA, "'%s': the name of \"%s\" is not a string", m->what, key);
            if (st == GOPRO_OK) st = add(m, key, strlen(key), json_string_value(v), json_string_length(v), err);
            if (st != GOPRO_OK) break;
        }
    } else {
        json_array_foreach(j, i, v)
        {
            if (!json_is_string(v)) st = gp_fail(err, GOPRO_E_DATA, "'%s': entry %zu is not a string", m->what, i);
            if (st == GOPRO_OK) st = add(m, NULL, 0, json_string_value(v), json_string_length(v), err);
            if (st != GOPRO_OK) break;
        }
    }
    json_decref(j);
    return st;
}

/* Start and end of the next line without its line end; false after the last. */
static bool next_line(const char **p, const char *end, const char **line, size_t *n)
{
    if (*p >= end) return false;
    const char *nl = memchr(*p, '\n', (size_t)(end - *p));
    *line = *p;
    *n = (size_t)((nl ? nl : end) - *p);
    *p = nl ? nl + 1 : end;
    while (*n && ((*line)[*n - 1] == '\r' || (*line)[*n - 1] == ' ')) --*n;
    return true;
}

static gopro_status read_lines(gp_names *m, const char *text, size_t size, gopro_error *err)
{
    const char *p = text, *end = text + size, *line, *tab;
    size_t n, blank = 0, lines = 0, tabs = 0;
    while (next_line(&p, end, &line, &n)) {
        lines += n > 0;
        tabs += n > 0 && memchr(line, '\t', n) != NULL;
    }
    if (tabs > 0 && tabs < lines)
        return gp_fail(err, GOPRO_E_DATA, "'%s': some lines have a tab and some do not; expected \"key TAB name\" or only names", m->what);
    m->keyed = tabs > 0;
    for (p = text; next_line(&p, end, &line, &n);) {
        if (n == 0) {
            blank++;
            continue;
        }
        if (blank) return gp_fail(err, GOPRO_E_DATA, "'%s': entry %zu is empty; expected a class name on every line", m->what, m->n + 1);
        tab = m->keyed ? memchr(line, '\t', n) : NULL;
        const char *name = tab ? tab + 1 : line;
        GP_TRY(add(m, tab ? line : NULL, tab ? (size_t)(tab - line) : 0, name, n - (size_t)(name - line), err));
    }
    return GOPRO_OK;
}

/* Looks up by whole line or key, and by first word. */
static gopro_status make_index(gp_names *m, gopro_error *err)
{
    uint32_t at;
    bool words = !m->keyed;
    for (size_t i = 0; i < m->n; i++) {
        const char *s = m->keyed ? m->e[i].key : m->e[i].name;
        if (!gp_intern_add(&m->whole, &at, s, strlen(s))) return gp_fail_nomem(err, 0, "class names");
        if (at != i && m->keyed) return gp_fail(err, GOPRO_E_DATA, "'%s': '%s' is named twice", m->what, s);
        words = words && strchr(m->e[i].name, ' ');
    }
    for (size_t i = 0; words && i < m->n; i++) {
        const char *s = m->e[i].name;
        if (!gp_intern_add(&m->first, &at, s, strcspn(s, " "))) return gp_fail_nomem(err, 0, "class names");
        words = at == i; /* a first word that comes twice is no key */
    }
    if (!words) gp_intern_free(&m->first);
    return GOPRO_OK;
}

gopro_status gp_names_parse(gp_names **out, const char *text, size_t size, const char *what, gopro_error *err)
{
    *out = NULL;
    gp_names *m = calloc(1, sizeof *m);
    gopro_status st = GOPRO_OK;
    if (!m || !(m->pool = gp_strings_create()) || !(m->what = gp_strings_add(m->pool, what, strlen(what)))) {
        st = gp_fail_nomem(err, sizeof *m, "class names");
        goto out;
    }
    m->whole.pool = m->first.pool = m->pool;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, size -= 3;
    if (memchr(text, 0, size)) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s' holds zero bytes; expected text", what);
        goto out;
    }
    size_t skip = 0;
    while (skip < size && (text[skip] == ' ' || text[skip] == '\n' || text[skip] == '\r' || text[skip] == '\t')) skip++;
    if (skip < size && (text[skip] == '{' || text[skip] == '['))
        GP_CHECK(read_json(m, text, size, err));
    else
        GP_CHECK(read_lines(m, text, size, err));
    if (m->n == 0) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s' has no class names; expected one a line", what);
        goto out;
    }
    GP_CHECK(make_index(m, err));
    *out = m;
    m = NULL;
out:
    gp_names_free(&m);
    return st;
}

gopro_status gp_names_read(gp_names **m, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *m = NULL;
    if (gp_read_file(&text, &size, path, MAX_NAMES_BYTES, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "class names");
    gopro_status st = gp_names_parse(m, text, size, path, err);
    free(text);
    return st;
}

size_t gp_names_count(const gp_names *m)
{
    return m->n;
}

static bool has_first_words(const gp_names *m)
{
    return m->first.n == m->n;
}

static const char *after_first_word(const char *s)
{
    s += strcspn(s, " ");
    return s + (*s == ' ');
}

const char *gp_names_line(const gp_names *m, size_t i)
{
    return !m->keyed && has_first_words(m) ? after_first_word(m->e[i].name) : m->e[i].name;
}

const char *gp_names_key(const gp_names *m, size_t i)
{
    return m->keyed ? m->e[i].key : has_first_words(m) ? m->first.word[i] : NULL;
}

const char *gp_names_find(const gp_names *m, const char *key)
{
    uint32_t at;
    const gp_intern *t = m->keyed ? &m->whole : &m->first;
    return gp_intern_find(t, &at, key, strlen(key)) ? gp_names_line(m, at) : NULL;
}

static bool all_known(const gp_intern *t, char *const *keys, size_t K)
{
    uint32_t at;
    for (size_t k = 0; k < K; k++)
        if (!gp_intern_find(t, &at, keys[k], strlen(keys[k]))) return false;
    return true;
}

static bool all_below(char *const *keys, size_t K, size_t limit)
{
    for (size_t k = 0; k < K; k++) {
        char *end;
        if (keys[k][0] < '0' || keys[k][0] > '9') return false;
        if (strtoul(keys[k], &end, 10) >= limit || *end) return false;
    }
    return true;
}

static gopro_status unknown_key(const gp_names *m, char *const *keys, size_t K, gopro_error *err)
{
    for (size_t k = 0; k < K; k++)
        if (!gp_names_find(m, keys[k])) return gp_fail(err, GOPRO_E_DATA, "'%s' has no name for the class '%s'", m->what, keys[k]);
    return GOPRO_OK;
}

gopro_status gp_names_apply(const gp_names *m, uint32_t *label, const char ***names, size_t *n_names, bool *listed, char *const *keys,
                            size_t K, gopro_error *err)
{
    const size_t most = gp_max_size(K, m->n);
    const char **v = malloc((most + 1) * sizeof *v);
    if (!v) return gp_fail_nomem(err, most * sizeof *v, "class names");
    *names = v;
    *listed = false;
    *n_names = K;
    for (size_t k = 0; k < K; k++) label[k] = (uint32_t)k;
    if (m->keyed || (has_first_words(m) && all_known(&m->first, keys, K))) {
        gopro_status st = unknown_key(m, keys, K, err);
        for (size_t k = 0; st == GOPRO_OK && k < K; k++) v[k] = gp_names_find(m, keys[k]);
        if (st == GOPRO_OK) return GOPRO_OK;
        free(v);
        *names = NULL;
        return st;
    }
    const bool order = m->whole.n == m->n && all_known(&m->whole, keys, K);
    if (order || all_below(keys, K, m->n)) {
        /* The file is the list of classes: its lines are the labels. */
        *listed = true;
        *n_names = m->n;
        for (size_t i = 0; i < m->n; i++) v[i] = m->e[i].name;
        for (size_t k = 0; k < K; k++)
            if (!order || !gp_intern_find(&m->whole, &label[k], keys[k], strlen(keys[k]))) label[k] = (uint32_t)strtoul(keys[k], NULL, 10);
        return GOPRO_OK;
    }
    if (m->n == K) {
        for (size_t k = 0; k < K; k++) v[k] = m->e[k].name;
        return GOPRO_OK;
    }
    free(v);
    *names = NULL;
    return gp_fail(err, GOPRO_E_DATA,
                   "'%s' has %zu names that do not fit the %zu classes ('%s', ...); expected one line per class in their order, or lines "
                   "\"class TAB name\"",
                   m->what, m->n, K, keys[0]);
}
