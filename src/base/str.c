/* str.c - a growing byte string, and nearest names for messages.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gp_str_free(gp_str *b)
{
    free(b->s);
    *b = (gp_str){0};
}

/* Room for n more bytes and the NUL. */
static bool reserve(gp_str *b, size_t n)
{
    size_t need;
    if (b->failed || !gp_add_size(&need, b->len, n) || !gp_add_size(&need, need, 1)) {
        b->failed = true;
        return false;
    }
    if (need <= b->cap) return true;
    size_t cap = gp_max_size(need, gp_max_size(64, b->cap <= SIZE_MAX / 2 ? b->cap * 2 : need));
    char *s = realloc(b->s, cap);
    if (!s) {
        b->failed = true;
        return false;
    }
    b->s = s;
    b->cap = cap;
    return true;
}

void gp_str_addn(gp_str *b, const char *s, size_t n)
{
    if (!reserve(b, n)) return;
    if (n) memcpy(b->s + b->len, s, n);
    b->len += n;
    b->s[b->len] = '\0';
}

void gp_str_add(gp_str *b, const char *s)
{
    gp_str_addn(b, s, strlen(s));
}

void gp_str_addf(gp_str *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

size_t gp_utf8_char(const char *text)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    if (n == 0) return 0;
    unsigned c = n == 1 ? s[0] : s[0] & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0; /* also the end of the text */
        c = c << 6 | (s[i] & 0x3F);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) || c == 0xFFFE || c == 0xFFFF) return 0;
    return (c >= 0x20 && c != 0x7F) || c == '\t' || c == '\n' ? n : 0;
}

bool gp_text_is_plain(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xC2 && i + 1 < n && p[i + 1] < 0xA0)) return false;
    return true;
}

void gp_plain_text(char *s)
{
    char *to = s;
    while (*s) {
        size_t n = gp_utf8_char(s);
        const bool plain = n > 0 && (unsigned char)s[0] >= 0x20 && !(n == 2 && (unsigned char)s[0] == 0xC2 && (unsigned char)s[1] < 0xA0);
        if (n == 0) n = 1;
        if (plain)
            memmove(to, s, n);
        else
            *to = '?';
        to += plain ? n : 1;
        s += n;
    }
    *to = '\0';
}

void gp_whole_text(char *s)
{
    size_t n = strlen(s), back = 0;
    while (back < 3 && back < n && ((unsigned char)s[n - 1 - back] & 0xC0) == 0x80) back++;
    if (back == n) return;
    const unsigned char lead = (unsigned char)s[n - 1 - back];
    const size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (back + 1 < whole) s[n - 1 - back] = '\0';
}

void gp_cat(char *out, size_t cap, const char *fmt, ...)
{
    const size_t n = strnlen(out, cap);
    if (n >= cap) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out + n, cap - n, fmt, ap);
    va_end(ap);
}

/* Decimal digits, sign, point and exponent only: strtod alone would take "inf", "nan" and hexadecimal. */
bool gp_parse_real(double *out, const char *s)
{
    if (s[0] == '\0' || s[strspn(s, "0123456789+-.eE")] != '\0') return false;
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) return false;
    char *end;
    *out = strtod_l(s, &end, c);
    freelocale(c);
    return *end == '\0' && isfinite(*out);
}

void gp_real_text(char out[32], double v, int digits)
{
    const locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), old = c ? uselocale(c) : (locale_t)0;
    snprintf(out, 32, "%.*g", digits, v);
    if (!c) return;
    uselocale(old);
    freelocale(c);
}

char *gp_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = malloc(n);
    if (p) memcpy(p, s, n);
    return p;
}

char *gp_sprintf(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : malloc((size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

#define MAX_NAME 127

/* Levenshtein distance, one row of the table at a time. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[MAX_NAME + 1];
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = gp_min_size(replace, gp_min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}

const char *gp_nearest(const char *s, const char *const *candidates, size_t n)
{
    size_t len = strlen(s), best = SIZE_MAX;
    const char *found = NULL;
    if (len > MAX_NAME) return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t nc = strlen(candidates[i]);
        if (nc > MAX_NAME) continue;
        size_t d = edit_distance(s, len, candidates[i], nc);
        if (d < best) {
            best = d;
            found = candidates[i];
        }
    }
    return best <= gp_max_size(2, len / 3) ? found : NULL;
}
