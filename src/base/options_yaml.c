/* options_yaml.c - options from and to YAML: nested maps are dotted names, scalars and lists of scalars are values.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/options_internal.h"

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 16, MAX_NAME = 256 };

typedef struct reader {
    yaml_parser_t parser;
    const char *label;
    gp_options *o;
    bool *seen;                 /* [o->n] options given in this text */
    char *groups;               /* names of the maps and the "for." names met, each between newlines; only known ones get in */
    gp_str name;                /* dotted name of the open map, with a dot behind it */
    size_t lens[MAX_DEPTH + 1]; /* length of name before each open map */
    size_t depth;
    unsigned key_line; /* of the key whose value is being read */
    gp_str list;       /* a sequence so far */
} reader;

static unsigned line_of(const yaml_event_t *e)
{
    return (unsigned)e->start_mark.line + 1;
}

static gopro_status fail_at(const reader *r, const yaml_event_t *e, gopro_error *err, const char *what)
{
    return gp_fail(err, GOPRO_E_INVALID, "%s:%u: %s", r->label, line_of(e), what);
}

static gopro_status next_event(reader *r, yaml_event_t *e, gopro_error *err)
{
    if (yaml_parser_parse(&r->parser, e)) return GOPRO_OK;
    memset(e, 0, sizeof *e);
    if (r->parser.error == YAML_MEMORY_ERROR) return gp_fail_nomem(err, 0, r->label);
    const size_t line = r->parser.error == YAML_READER_ERROR ? 1 : r->parser.problem_mark.line + 1;
    return gp_fail(err, GOPRO_E_INVALID, "%s:%zu: %s, expected YAML with maps of options", r->label, line,
                   r->parser.problem ? r->parser.problem : "not readable");
}

/* The event's scalar as a C string; a NUL inside would cut it. */
static gopro_status scalar_text(const reader *r, const yaml_event_t *e, const char **s, gopro_error *err)
{
    *s = (const char *)e->data.scalar.value;
    if (strlen(*s) != e->data.scalar.length) return fail_at(r, e, err, "a zero byte inside a value");
    return GOPRO_OK;
}

static bool is_group(const gp_options *o, const char *prefix, size_t len)
{
    if (gp_options_is_for(prefix)) return gp_options_for_group(o, prefix, len);
    for (size_t i = 0; i < o->n; i++)
        if (strncmp(o->table[i].name, prefix, len) == 0) return true;
    return false;
}

/* Notes that the text gives r->name; *twice: it did so before. */
static gopro_status note(reader *r, bool *twice, gopro_error *err)
{
    char *mark = gp_sprintf("\n%s\n", r->name.s);
    if (!mark) return gp_fail_nomem(err, r->name.len, "configuration");
    *twice = strstr(r->groups, mark) != NULL;
    char *all = *twice ? NULL : gp_sprintf("%s%s", r->groups, mark + (r->groups[0] != '\0'));
    free(mark);
    if (*twice) return GOPRO_OK;
    if (!all) return gp_fail_nomem(err, r->name.len, "configuration");
    free(r->groups);
    r->groups = all;
    return GOPRO_OK;
}

/* r->name is a map's dotted name: it must begin names of the table and be new. */
static gopro_status open_group(reader *r, gopro_error *err)
{
    if (!is_group(r->o, r->name.s, r->name.len)) {
        r->name.s[r->name.len - 1] = '\0';
        char where[300];
        (void)snprintf(where, sizeof where, "%.200s:%u", r->label, r->key_line);
        if (!gp_options_is_for(r->name.s)) return gp_options_unknown(r->o, r->name.s, where, err);
        GP_TRY(gp_options_set_for(r->o, r->name.s, "", where, err)); /* says what is unknown */
        return gp_fail(err, GOPRO_E_INVALID, "%s: %s takes one value, not a map", where, r->name.s);
    }
    bool twice;
    GP_TRY(note(r, &twice, err));
    if (twice)
        return gp_fail(err, GOPRO_E_INVALID, "%s:%u: '%.*s' is given twice", r->label, r->key_line, (int)(r->name.len - 1), r->name.s);
    return GOPRO_OK;
}

static gopro_status set_value(reader *r, const yaml_event_t *e, const char *value, bool is_list, gopro_error *err)
{
    char where[300];
    (void)snprintf(where, sizeof where, "%.200s:%u", r->label, line_of(e));
    if (gp_options_is_for(r->name.s)) {
        bool twice;
        if (is_list) return gp_fail(err, GOPRO_E_INVALID, "%s: %s takes one value, not a list", where, r->name.s);
        GP_TRY(gp_options_set_for(r->o, r->name.s, value, where, err));
        GP_TRY(note(r, &twice, err));
        return twice ? gp_fail(err, GOPRO_E_INVALID, "%s: %s is given twice", where, r->name.s) : GOPRO_OK;
    }
    const size_t i = gp_options_find(r->o, r->name.s);
    if (i == SIZE_MAX) return gp_options_unknown(r->o, r->name.s, where, err);
    if (r->seen[i]) return gp_fail(err, GOPRO_E_INVALID, "%s: %s is given twice", where, r->name.s);
    if (is_list && r->o->table[i].type != GP_OPT_INT_LIST)
        return gp_fail(err, GOPRO_E_INVALID, "%s: %s takes one value, not a list", where, r->name.s);
    r->seen[i] = true;
    return gp_options_set_at(r->o, i, value, where, err);
}

static gopro_status read_list(reader *r, gopro_error *err)
{
    yaml_event_t e;
    gopro_status st = GOPRO_OK;
    r->list.len = 0;
    for (bool more = true; more && st == GOPRO_OK;) {
        GP_TRY(next_event(r, &e, err));
        const char *s;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            st = set_value(r, &e, r->list.len ? r->list.s : "", true, err);
            more = false;
        } else if (e.type != YAML_SCALAR_EVENT) {
            st = fail_at(r, &e, err, "a list may hold only plain values");
        } else if ((st = scalar_text(r, &e, &s, err)) == GOPRO_OK) {
            if (r->list.len) gp_str_add(&r->list, ",");
            gp_str_add(&r->list, s[0] ? s : ","); /* an empty element must not vanish */
            if (r->list.failed) st = gp_fail_nomem(err, r->list.len, "configuration");
        }
        yaml_event_delete(&e);
    }
    return st;
}

/* What stands behind a key: r->name is the dotted name; a map leaves it with a dot, anything else restores it. */
static gopro_status read_value(reader *r, size_t name_len, gopro_error *err)
{
    yaml_event_t e;
    GP_TRY(next_event(r, &e, err));
    gopro_status st;
    const char *s;
    switch (e.type) {
    case YAML_SCALAR_EVENT:
        st = scalar_text(r, &e, &s, err);
        if (st == GOPRO_OK) st = set_value(r, &e, s, false, err);
        break;
    case YAML_SEQUENCE_START_EVENT:
        st = read_list(r, err);
        break;
    case YAML_MAPPING_START_EVENT:
        if (r->depth == MAX_DEPTH) {
            st = fail_at(r, &e, err, "maps are nested too deeply");
            break;
        }
        gp_str_add(&r->name, ".");
        st = r->name.failed ? gp_fail_nomem(err, r->name.len, "configuration") : open_group(r, err);
        r->lens[r->depth++] = name_len;
        yaml_event_delete(&e);
        return st;
    case YAML_ALIAS_EVENT:
        st = fail_at(r, &e, err, "aliases are not allowed here, write the value out");
        break;
    default:
        st = fail_at(r, &e, err, "expected a value");
        break;
    }
    yaml_event_delete(&e);
    r->name.len = name_len;
    if (r->name.s) r->name.s[name_len] = '\0';
    return st;
}

static gopro_status read_map(reader *r, gopro_error *err)
{
    gopro_status st = GOPRO_OK;
    r->lens[0] = 0;
    r->depth = 1;
    while (r->depth && st == GOPRO_OK) {
        yaml_event_t e;
        GP_TRY(next_event(r, &e, err));
        const char *key;
        if (e.type == YAML_MAPPING_END_EVENT) {
            r->name.len = r->lens[--r->depth];
            if (r->name.s) r->name.s[r->name.len] = '\0';
        } else if (e.type != YAML_SCALAR_EVENT) {
            st = fail_at(r, &e, err, "a key must be the name of an option");
        } else if ((st = scalar_text(r, &e, &key, err)) == GOPRO_OK) {
            const size_t len = r->name.len;
            r->key_line = line_of(&e);
            if (len + strlen(key) > MAX_NAME) st = fail_at(r, &e, err, "a name is too long");
            if (st == GOPRO_OK) {
                gp_str_add(&r->name, key);
                if (r->name.failed || !r->name.s) st = gp_fail_nomem(err, MAX_NAME, "configuration");
            }
            if (st == GOPRO_OK) st = read_value(r, len, err);
        }
        yaml_event_delete(&e);
    }
    return st;
}

static gopro_status read_stream(reader *r, gopro_error *err)
{
    gopro_status st = GOPRO_OK;
    size_t documents = 0;
    for (bool more = true; more && st == GOPRO_OK;) {
        yaml_event_t e;
        GP_TRY(next_event(r, &e, err));
        switch (e.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_STREAM_END_EVENT:
            more = false;
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (documents++) st = fail_at(r, &e, err, "a second document; one is allowed");
            break;
        case YAML_MAPPING_START_EVENT:
            st = read_map(r, err);
            break;
        case YAML_SCALAR_EVENT:
            if (e.data.scalar.length == 0) break; /* a file of comments */
            st = fail_at(r, &e, err, "expected a map of options, as in 'seed: 1'");
            break;
        default:
            st = fail_at(r, &e, err, "expected a map of options, as in 'seed: 1'");
            break;
        }
        yaml_event_delete(&e);
    }
    return st;
}

/* libyaml compares each %TAG with all before it; an option file needs none. */
static bool many_directives(const char *text, size_t len)
{
    size_t n = 0;
    for (const char *p = text, *end = text + len; p && p < end;) {
        n += *p == '%';
        p = memchr(p, '\n', (size_t)(end - p));
        p += p != NULL;
    }
    return n > 16;
}

gopro_status gp_options_load_yaml_text(gp_options *o, const char *text, size_t len, const char *label, gopro_error *err)
{
    reader r = {.label = label, .o = gp_options_clone(o), .seen = calloc(o->n + 1, sizeof(bool)), .groups = gp_strdup("")};
    gopro_status st = GOPRO_OK;
    if (!r.o || !r.seen || !r.groups) {
        st = gp_fail_nomem(err, o->n * sizeof(gp_opt_value), "options");
    } else if (many_directives(text, len)) {
        st = gp_fail(err, GOPRO_E_INVALID, "%s: more than 16 lines begin with '%%'; options need no directives", label);
    } else if (!yaml_parser_initialize(&r.parser)) {
        st = gp_fail_nomem(err, sizeof r.parser, "YAML parser");
    } else {
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
        st = read_stream(&r, err);
        yaml_parser_delete(&r.parser);
    }
    if (st == GOPRO_OK) { /* all or nothing: the values of a text with a mistake are not taken */
        gp_options taken = *r.o;
        *r.o = *o;
        *o = taken;
    }
    gp_options_free(&r.o);
    free(r.seen);
    free(r.groups);
    gp_str_free(&r.name);
    gp_str_free(&r.list);
    return st;
}

gopro_status gp_options_load_yaml(gp_options *o, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t len = 0;
    GP_TRY(gp_read_file(&text, &len, path, MAX_BYTES, err));
    const gopro_status st = gp_options_load_yaml_text(o, text, len, path, err);
    free(text);
    return st;
}

static void add_scalar(gp_str *out, const gp_opt *t, const char *text)
{
    if (t->type != GP_OPT_STRING) {
        gp_str_add(out, text[0] ? text : "\"\"");
        return;
    }
    gp_str_add(out, "\"");
    for (; *text; text++) { /* values hold no control characters */
        if (*text == '"' || *text == '\\') gp_str_add(out, "\\");
        gp_str_addn(out, text, 1);
    }
    gp_str_add(out, "\"");
}

gopro_status gp_options_to_yaml(const gp_options *o, gp_str *out)
{
    const char *group = NULL; /* the open map's name, up to its dot */
    size_t group_len = 0;
    for (size_t i = 0; i < o->n; i++) {
        const char *name = o->table[i].name, *dot = strchr(name, '.');
        const size_t len = dot ? (size_t)(dot - name) : 0;
        if (dot && (len != group_len || strncmp(name, group, len) != 0)) gp_str_addf(out, "%.*s:\n", (int)len, name);
        group = name;
        group_len = len;
        gp_str_addf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : name);
        add_scalar(out, &o->table[i], o->v[i].text);
        gp_str_add(out, "\n");
    }
    for (size_t k = 0; k < o->n_of; k++) {
        gp_str_addf(out, "for.%s.%s: ", o->of[k].method, o->table[o->of[k].i].name);
        add_scalar(out, &o->table[o->of[k].i], o->of[k].v.text);
        gp_str_add(out, "\n");
    }
    return out->failed ? GOPRO_E_NOMEM : GOPRO_OK;
}
