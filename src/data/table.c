/* table.c - CSV and TSV with a header: the columns path, label, and if there are any split and domain, in any order (RFC 4180 quoting).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "data/dataset_int.h"

#define MAX_COLUMNS 256
#define MAX_FIELD   ((size_t)1 << 16)

typedef enum column { COL_PATH, COL_LABEL, COL_SPLIT, COL_DOMAIN, COLS } column;

typedef struct table {
    const char *p, *end, *what;
    size_t line; /* of the record being read */
    size_t lines;
    char sep;
    int at[COLS]; /* column numbers, -1: absent */
    size_t n_columns;
    gp_str field[COLS + 1]; /* of one record; the last one takes columns that nobody asked for */
} table;

static gopro_status fail(const table *t, const char *what, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_DATA, "'%s' line %zu: %s", t->what, t->line, what);
}

/* A field in quotes: p stands after the first one. */
static gopro_status quoted(table *t, gp_str *out, gopro_error *err)
{
    for (;;) {
        const char *q = t->p < t->end ? memchr(t->p, '"', (size_t)(t->end - t->p)) : NULL;
        if (!q) return fail(t, "a quoted field is not closed; expected '\"'", err);
        if (out->len + (size_t)(q - t->p) > MAX_FIELD) return fail(t, "a field is longer than 65536 bytes; is a '\"' missing?", err);
        for (const char *s = t->p; s < q; s++) t->lines += *s == '\n';
        gp_str_addn(out, t->p, (size_t)(q - t->p));
        t->p = q + 1;
        if (t->p >= t->end || *t->p != '"') return GOPRO_OK;
        gp_str_addn(out, "\"", 1); /* "" is one quote */
        t->p++;
    }
}

/* One field and what ends it; *last: it was the record's last. */
static gopro_status next_field(table *t, gp_str *out, bool *last, gopro_error *err)
{
    out->len = 0;
    gp_str_addn(out, "", 0);
    if (t->p < t->end && *t->p == '"') {
        t->p++;
        GP_TRY(quoted(t, out, err));
    } else {
        const char *from = t->p;
        while (t->p < t->end && *t->p != t->sep && *t->p != '\n' && *t->p != '\r') t->p++;
        if ((size_t)(t->p - from) > MAX_FIELD) return fail(t, "a field is longer than 65536 bytes", err);
        gp_str_addn(out, from, (size_t)(t->p - from));
    }
    if (out->failed) return gp_fail_nomem(err, out->len, "a field");
    *last = true;
    if (t->p < t->end && *t->p == t->sep) {
        t->p++;
        *last = false;
        return GOPRO_OK;
    }
    const bool cr = t->p < t->end && *t->p == '\r';
    t->p += cr;
    if (cr && t->p < t->end && *t->p != '\n')
        return fail(t, "a carriage return without a line feed; expected lines that end in LF or CR LF (convert with tr '\\r' '\\n')", err);
    if (t->p < t->end && *t->p != '\n') return fail(t, "text after a closing quote; expected a separator or the line's end", err);
    if (t->p < t->end) t->p++, t->lines++;
    return GOPRO_OK;
}

/* Fills t->field; *n: columns seen, 0 for a line without anything in it. */
static gopro_status next_record(table *t, size_t *n, gopro_error *err)
{
    bool last = false, blank = true;
    *n = 0;
    t->line = t->lines;
    for (int c = 0; c <= COLS; c++) t->field[c].len = 0;
    while (!last) {
        int c = 0;
        while (c < COLS && t->at[c] != (int)*n) c++;
        GP_TRY(next_field(t, &t->field[c], &last, err));
        blank = blank && t->field[c].len == 0;
        if (++*n > MAX_COLUMNS) return fail(t, "more than 256 columns", err);
    }
    if (blank) *n = 0;
    return GOPRO_OK;
}

static int column_named(const char *s)
{
    static const struct {
        const char *name;
        int column;
    } known[] = {{"path", COL_PATH},      {"image", COL_PATH},      {"file", COL_PATH},       {"filename", COL_PATH},
                 {"file_name", COL_PATH}, {"filepath", COL_PATH},   {"impath", COL_PATH},     {"image_path", COL_PATH},
                 {"label", COL_LABEL},    {"class", COL_LABEL},     {"classname", COL_LABEL}, {"class_name", COL_LABEL},
                 {"split", COL_SPLIT},    {"partition", COL_SPLIT}, {"domain", COL_DOMAIN}};
    for (size_t i = 0; i < GP_COUNT(known); i++)
        if (strcasecmp(s, known[i].name) == 0) return known[i].column;
    return -1;
}

static gopro_status open_table(table *t, const char *text, size_t size, const char *what, gopro_error *err)
{
    *t = (table){.p = text, .end = text + size, .what = what, .line = 1, .lines = 1, .sep = ',', .at = {-1, -1, -1, -1}};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) t->p += 3;
    const char *zero = size ? memchr(text, 0, size) : NULL;
    for (const char *s = text; zero && s < zero; s++) t->line += *s == '\n';
    if (zero) return fail(t, "holds a zero byte; expected text in UTF-8 (is it UTF-16?)", err);
    return GOPRO_OK;
}

static void close_table(table *t)
{
    for (int c = 0; c <= COLS; c++) gp_str_free(&t->field[c]);
}

static gopro_status read_header(table *t, gopro_error *err)
{
    static const char *const part[COLS] = {[COL_PATH] = "path", [COL_LABEL] = "class", [COL_SPLIT] = "split", [COL_DOMAIN] = "domain"};
    bool last = false;
    int n = 0;
    char seen[200] = "";
    while (!last) {
        GP_TRY(next_field(t, &t->field[COLS], &last, err));
        const size_t used = strlen(seen);
        snprintf(seen + used, sizeof seen - used, "%s'%.40s'", n ? ", " : "", t->field[COLS].s);
        const int c = column_named(t->field[COLS].s);
        if (c >= 0 && t->at[c] >= 0)
            return gp_fail(err, GOPRO_E_DATA,
                           "'%s' line %zu: the column '%.60s' says what another says already (the %s); rename one of the two", t->what,
                           t->line, t->field[COLS].s, part[c]);
        if (c >= 0) t->at[c] = n;
        if (++n > MAX_COLUMNS) return fail(t, "more than 256 columns", err);
    }
    t->n_columns = (size_t)n;
    if (t->at[COL_PATH] < 0 || t->at[COL_LABEL] < 0)
        return gp_fail(
            err, GOPRO_E_DATA,
            "'%s' line %zu: expected a header with the columns path and label, and if wanted split and domain; its columns are %s", t->what,
            t->line, seen);
    return GOPRO_OK;
}

/* The header by tabs, commas or semicolons, whichever makes the columns that are needed. */
static gopro_status find_header(table *t, gopro_error *err)
{
    static const char separators[] = "\t,;";
    for (const char *sep = separators; *sep; sep++) {
        table u = *t;
        gopro_error e;
        u.sep = *sep;
        const bool fits = read_header(&u, &e) == GOPRO_OK;
        close_table(&u);
        if (fits) t->sep = *sep;
        if (fits) break;
    }
    return read_header(t, err);
}

bool gp_table_has_header(const char *text, size_t size)
{
    table t;
    gopro_error e;
    const bool yes = open_table(&t, text, size, "", &e) == GOPRO_OK && find_header(&t, &e) == GOPRO_OK;
    close_table(&t);
    return yes;
}

static gopro_status add_record(gp_rows *r, table *t, size_t n, gopro_error *err)
{
    if (n != t->n_columns) {
        char text[96];
        snprintf(text, sizeof text, "%zu fields, expected %zu as in the header; quote fields that hold the separator", n, t->n_columns);
        return fail(t, text, err);
    }
    const gp_str *path = &t->field[COL_PATH], *label = &t->field[COL_LABEL], *split = &t->field[COL_SPLIT];
    gp_part part = GP_PARTS;
    if (gp_path_check(r->b, path->s, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "'%s' line %zu", t->what, t->line);
    if (t->at[COL_SPLIT] >= 0 && split->len > 0) {
        part = gp_part_parse(split->s, split->len);
        if (part == GP_PARTS)
            return gp_fail(err, GOPRO_E_DATA, "'%s' line %zu: the split '%.60s' is none of train, val and test", t->what, t->line,
                           split->s);
    }
    const bool domain = t->at[COL_DOMAIN] >= 0 && t->field[COL_DOMAIN].len > 0;
    if (gp_rows_add(r, &(gp_row){.path = path->s, .part = (uint8_t)part}, label->s, label->len, domain ? t->field[COL_DOMAIN].s : NULL,
                    domain ? t->field[COL_DOMAIN].len : 0, err) != GOPRO_OK)
        return gp_fail_in(err, GOPRO_E_DATA, "'%s' line %zu", t->what, t->line);
    return GOPRO_OK;
}

gopro_status gp_rows_from_table(gp_rows *r, const char *text, size_t size, const char *what, gopro_error *err)
{
    table t;
    gopro_status st = open_table(&t, text, size, what, err);
    if (st == GOPRO_OK) st = find_header(&t, err);
    while (st == GOPRO_OK && t.p < t.end) {
        size_t n = 0;
        st = next_record(&t, &n, err);
        if (st == GOPRO_OK && n > 0) st = add_record(r, &t, n, err);
    }
    close_table(&t);
    r->b->order = "the table's";
    return st;
}
